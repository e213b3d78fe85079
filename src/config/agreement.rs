//! Settings that contradict each other, though each is right by itself.

mod folders;

use std::net::SocketAddr;

use crate::config::error::Doubt;
use crate::config::reader::SettingsReader;
use crate::config::secret::{self, Secret};
use crate::config::settings::{AuthMode, Settings};
use crate::config::tls;
use crate::listen::listener::Bind;

/// A shard is chosen by `port % nr_shards`: 256 ports reach every shard of the largest machines.
const SOURCE_PORTS_MIN: u32 = 256;

/// Of the memory that may be taken, the longest request may be this part.
const FRAMES_MIN: usize = 4;
/// What a process takes besides, bytes.
const MEMORY_BYTES_MIN: usize = 32 << 20;

/// Adds a fault for each contradiction. A pair with a faulty setting in it is left out: one of the
/// two values that would be compared is then the default.
pub(crate) fn check(reader: &mut SettingsReader) {
    check_bounds(reader);
    check_places(reader);
    check_credentials(reader);
    tls::check(reader);
}

/// What is no fault, but most likely a mistake.
#[must_use]
pub(crate) fn doubts(reader: &SettingsReader) -> Vec<Doubt> {
    let mut doubts = tls::doubts(&reader.settings);
    doubts.extend(secret::doubt(reader.settings.password_file.as_deref()));
    doubts.extend(folders::doubts(&reader.settings));
    doubts
}

fn sound(reader: &SettingsReader, one: &str, other: &str) -> bool {
    !reader.is_faulty(one) && !reader.is_faulty(other)
}

fn check_bounds(reader: &mut SettingsReader) {
    let (low, high) = ("limits.outbox_low_bytes", "limits.outbox_high_bytes");
    let limits = reader.settings.limits;
    if limits.outbox_low_bytes >= limits.outbox_high_bytes && sound(reader, low, high) {
        let right = format!("give less than {}", limits.outbox_high_bytes);
        reader.refuse(low, &format!("not below {high}"), &right);
    }
    let (memory, frame) = ("limits.memory_bytes_max", "limits.frame_body_bytes_max");
    let frame_bytes = usize::try_from(limits.frame_body_bytes_max).unwrap_or(usize::MAX);
    let least = frame_bytes.saturating_mul(FRAMES_MIN).saturating_add(MEMORY_BYTES_MIN);
    if limits.memory_bytes_max > 0
        && limits.memory_bytes_max < least
        && sound(reader, memory, frame)
    {
        let right = format!("give at least {least}, or lower {frame}");
        reader.refuse(memory, "too little for the longest request", &right);
    }
    let (first, max) = ("lanes.backoff_first_ms", "lanes.backoff_max_ms");
    let backoff = reader.settings.backoff;
    if backoff.first_ms > backoff.max_ms && sound(reader, first, max) {
        let right = format!("give at most {}", backoff.max_ms);
        reader.refuse(first, &format!("above {max}"), &right);
    }
    let (low, high) = ("lanes.source_port_low", "lanes.source_port_high");
    let ports =
        (*reader.settings.dial.source_ports.start(), *reader.settings.dial.source_ports.end());
    let is_narrow = u32::from(ports.1) + 1 < u32::from(ports.0) + SOURCE_PORTS_MIN;
    if is_narrow && sound(reader, low, high) {
        let right = "leave at least 256 ports, so that every shard of a node has some";
        reader.refuse(high, &format!("too close to {low}, {}", ports.0), right);
    }
}

fn check_places(reader: &mut SettingsReader) {
    let settings = &reader.settings;
    // Port 0 is another one each time.
    let admin = Bind::Tcp(settings.admin);
    let is_same = settings.bind.contains(&admin) && settings.admin.port() != 0;
    let twice = |at: &Bind| settings.bind.iter().filter(|bind| *bind == at).count() > 1;
    let is_twice = settings.bind.iter().any(twice);
    let lacks_data_center = settings.rack.is_some() && settings.data_center.is_none();
    if is_same && sound(reader, "bind", "admin") {
        reader.refuse("admin", "the same as bind", "give another port");
    }
    if is_twice && sound(reader, "bind", "bind") {
        reader.refuse("bind", "the same place twice", "give each once");
    }
    let as_nodes = "bind_as_nodes";
    if let Some(fault) = fault_of_nodes(&reader.settings)
        && sound(reader, "bind", as_nodes)
    {
        let right = "give bind two addresses that clients reach, with one port, as \
                     127.0.0.1:9042 and 127.0.0.2:9042, or turn it off";
        reader.refuse(as_nodes, &fault, right);
    }
    if lacks_data_center && sound(reader, "rack", "data_center") {
        reader.refuse("rack", "a rack is preferred within a data center", "set data_center too");
    }
}

/// Why clients cannot see the addresses of `bind` as nodes, if they are to.
fn fault_of_nodes(settings: &Settings) -> Option<String> {
    let addresses = settings.bind.iter().filter_map(|bind| match bind {
        Bind::Tcp(address) => Some(*address),
        Bind::Unix(_) => None,
    });
    if !settings.bind_as_nodes {
        return None;
    }
    let addresses: Vec<SocketAddr> = addresses.collect();
    let first = match addresses.as_slice() {
        [] => return Some("bind has no address".to_owned()),
        [only] => return Some(format!("bind has one address, {only}")),
        [first, ..] => first,
    };
    let is_other = |it: &&SocketAddr| it.port() != first.port() || it.port() == 0;
    if let Some(all) = addresses.iter().find(|it| it.ip().is_unspecified()) {
        return Some(format!("bind has {all}, which no driver can dial"));
    }
    let other = addresses.iter().skip(1).find(is_other)?;
    Some(format!("bind has {first} and {other}, and system.peers lists no ports"))
}

fn check_credentials(reader: &mut SettingsReader) {
    let settings = &reader.settings;
    let (username, path) = (settings.username.clone(), settings.password_file.clone());
    let is_service = settings.auth_mode == Some(AuthMode::Service);
    if is_service && username.is_none() && !reader.is_faulty("username") {
        let reason = "clients would have the rights of the proxy's own role, and it has none";
        reader.refuse("auth.mode", reason, "set username and password_file too");
    }
    match (username, path) {
        (Some(_), None) if !reader.is_faulty("password_file") => {
            reader.refuse("username", "it has no password", "set password_file too");
        }
        (None, Some(_)) if !reader.is_faulty("username") => {
            let right = "set username too, or remove it";
            reader.refuse("password_file", "there is no username that it belongs to", right);
        }
        (_, Some(path)) => {
            if let Err(error) = Secret::read(&path) {
                let right = "give the path of a readable file that holds the password alone";
                reader.refuse("password_file", &error.to_string(), right);
            }
        }
        (_, None) => {}
    }
}
