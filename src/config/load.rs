//! From flags, environment and file to settings, with every fault on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::address::{parse_binds, parse_contact_point, parse_listen, parse_mode};
use crate::config::error::{ConfigError, Faults};
use crate::config::file;
use crate::config::overrides::{self, CONFIG_VARIABLE, Environment, Layers, Unknown};
use crate::config::reader::{Entry, Reader};
use crate::config::secret::Secret;
use crate::config::settings::{AuthMode, Settings};
use crate::config::tls;
use crate::connect::dialer::DialSettings;
use crate::control::reaching::contact_point::ContactPoint;
use crate::control::tables::routes::Translation;
use crate::engine::limits::Limits;
use crate::listen::listener::Bind;
use crate::platform::bounded_file;
use crate::pool::backoff::BackoffSettings;
use crate::pool::failover::FailoverSettings;
use crate::pool::lane_slots::Wanted;
use crate::telemetry::logging::{self, LogSettings};
use cql::compression::Compression;

/// Longest deadline that makes sense: a day.
const DAY_MS: u64 = 86_400_000;

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The settings; a faulty one has its default.
    pub settings: Settings,
    /// Every setting, its value as written, and who set it.
    pub entries: Vec<Entry>,
    /// Everything that is wrong.
    pub faults: Vec<ConfigError>,
    /// What is not wrong, and hardly meant.
    pub doubts: Vec<String>,
}

impl Loaded {
    /// Of the environment's `names`, those that look like settings and are none.
    #[must_use]
    pub fn unknown_variables(&self, names: Vec<String>) -> Vec<Unknown> {
        let keys = self.entries.iter().map(|entry| entry.key).collect::<Vec<_>>();
        overrides::unknown_variables(names, &keys)
    }

    /// The settings, if nothing is wrong with them.
    pub fn accept(self) -> Result<Settings, Faults> {
        if self.faults.is_empty() { Ok(self.settings) } else { Err(Faults(self.faults)) }
    }
}

/// Reads all layers. `flags` are by key; the file is the one that `path`, or else
/// `SHARDLANE_CONFIG`, names.
#[must_use]
pub fn load(
    flags: BTreeMap<&'static str, String>,
    path: Option<PathBuf>,
    environment: Environment<'_>,
) -> Loaded {
    let named = environment(CONFIG_VARIABLE).filter(|path| !path.is_empty());
    let path = path.or_else(|| named.map(PathBuf::from));
    let text = path.as_ref().map(|path| (path.clone(), bounded_file::read_text(path)));
    let mut faults = Vec::new();
    let text = match text {
        Some((path, Err(source))) => {
            faults.push(ConfigError::Unreadable { path, source });
            None
        }
        Some((_, Ok(text))) => Some(text),
        None => None,
    };
    load_text(Layers { flags, environment, path, file: BTreeMap::new() }, text.as_deref(), faults)
}

/// Reads `layers` and the text of the file; `faults` are those found so far.
#[must_use]
fn load_text(mut layers: Layers<'_>, text: Option<&str>, faults: Vec<ConfigError>) -> Loaded {
    let file = text.map(file::parse).unwrap_or_default();
    layers.file = file.values;
    let path = layers.path.clone().unwrap_or_default();
    let mut reader = Reader::new(&layers);
    reader.faults = faults;
    let complaint = |detail| ConfigError::Toml { path: path.clone(), detail };
    reader.faults.extend(file.complaints.into_iter().map(complaint));
    // With a broken file nobody knows whether it would have set it.
    let file_is_whole = reader.faults.is_empty();
    let settings = read_settings(&mut reader);
    if settings.contact_points.is_empty() && file_is_whole && !reader.is_faulty("contact_points") {
        let right = "give at least one node of the cluster, as host or host:port".to_owned();
        reader.faults.push(ConfigError::Missing { key: "contact_points", right });
    }
    check_agreement(&mut reader, &settings);
    let doubts = tls::doubts(&settings);
    Loaded { settings, entries: reader.entries, faults: reader.faults, doubts }
}

fn read_settings(reader: &mut Reader<'_>) -> Settings {
    let default = Settings::default();
    let contact_points = reader.read("contact_points", (Vec::new(), String::new()), "", |text| {
        Ok(text.split(',').map(|point| point.trim().to_owned()).collect())
    });
    let contact_points = read_contact_points(reader, &contact_points);
    let (bind, bind_mode) = read_bind(reader, (default.bind, default.bind_mode));
    let data_center = reader.text("data_center", "give the name as system.local tells it");
    let rack = reader.text("rack", "give the name as system.local tells it");
    let translate = read_translations(reader);
    let client_routes =
        list(reader, "client_routes", "give connection ids, as the cloud names them");
    let username = reader.text("username", "give the name of a role, or remove the setting");
    let password_file = reader.text("password_file", "give the path of a file");
    let admin = (default.admin, default.admin.to_string());
    let listen = "give an address and a port, as 127.0.0.1:9380";
    let node_tls = tls::read_node_tls(reader, &contact_points);
    let mut limits = read_limits(reader, &default.limits);
    let mut dial = read_dial(reader, default.dial);
    match dial.lanes {
        // The only lane of a node is never one too many.
        Wanted::One => limits.lane_unused_us = 0,
        Wanted::EachShard if limits.lane_unused_us > 0 => dial.lanes = Wanted::ShardsInUse,
        Wanted::EachShard | Wanted::ShardsInUse => {}
    }
    Settings {
        contact_points,
        port: reader.number("port", default.port, &(1..=u16::MAX)),
        bind,
        bind_mode,
        data_center,
        rack,
        translate,
        client_routes,
        auth_mode: read_auth_mode(reader),
        auth_recheck_s: reader.number("auth.recheck_s", default.auth_recheck_s, &(1..=3_600)),
        username,
        password_file: password_file.map(PathBuf::from),
        admin: reader.read("admin", admin, listen, parse_listen),
        workers: reader.number("workers", default.workers, &(1..=256)),
        limits,
        dial,
        backoff: read_backoff(reader, default.backoff),
        failover: read_failover(reader, default.failover),
        node_tls,
        client_tls: tls::read_client_tls(reader, &default.client_tls),
        file_poll_ms: reader.number("timeouts.file_poll_ms", default.file_poll_ms, &(100..=DAY_MS)),
        compression_told: read_told(reader),
        drain_ms: reader.number("timeouts.drain_ms", default.drain_ms, &(0..=DAY_MS)),
        log: read_log(reader, default.log),
    }
}

fn read_auth_mode(reader: &mut Reader<'_>) -> Option<AuthMode> {
    let right = "give service or pass-through, or remove the setting";
    reader.read("auth.mode", (None, String::new()), right, |text| text.parse().map(Some))
}

fn read_bind(reader: &mut Reader<'_>, default: (Vec<Bind>, u32)) -> (Vec<Bind>, u32) {
    let text = default.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let right = "give addresses with ports, as 127.0.0.1:9042, or paths, as unix:/run/cql.sock, \
                 separated by commas";
    let binds = reader.read("bind", (default.0, text), right, parse_binds);
    let mode = (default.1, format!("{:04o}", default.1));
    let right = "give permissions as an octal number, as 0660";
    (binds, reader.read("bind_mode", mode, right, parse_mode))
}

fn read_contact_points(reader: &mut Reader<'_>, texts: &[String]) -> Vec<ContactPoint> {
    let mut points = Vec::new();
    for text in texts {
        match parse_contact_point(text) {
            Ok(point) => points.push(point),
            Err(reason) => {
                reader.refuse("contact_points", &reason, "give each as host or host:port");
            }
        }
    }
    points
}

/// Reads texts that are separated by commas; none by default.
fn list(reader: &mut Reader<'_>, key: &'static str, right: &str) -> Vec<String> {
    reader.read(key, (Vec::new(), String::new()), right, |text| {
        let parts: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        if parts.iter().any(String::is_empty) {
            Err("an empty entry".to_owned())
        } else {
            Ok(parts)
        }
    })
}

fn read_translations(reader: &mut Reader<'_>) -> Vec<Translation> {
    let right = "give each as FROM=HOST, FROM=HOST:PORT or FROM=HOST:PORT/SHARD_AWARE_PORT, where \
                 FROM is an address or a host id";
    let mut translations = Vec::new();
    for text in list(reader, "translate", right) {
        match text.parse::<Translation>() {
            Ok(translation) => translations.push(translation),
            Err(reason) => reader.refuse("translate", &reason, right),
        }
    }
    translations
}

fn read_limits(reader: &mut Reader<'_>, default: &Limits) -> Limits {
    const GIB: usize = 1 << 30;
    let mut limits = *default;
    let Limits {
        frame_body_bytes_max,
        client_in_flight_max,
        outbox_high_bytes,
        outbox_low_bytes,
        client_backlog_bytes_max,
        lane_streams_max,
        lane_orphans_max,
        lane_retained_bytes_max,
        clients_max,
        catalog_bytes_max,
        tablets_max,
        keyspaces_max,
        credentials_max,
        request_timeout_us,
        heartbeat_us,
        heartbeat_timeout_us,
        lane_unused_us,
        lane_stall_us,
        agreement_timeout_us,
        retry_percent,
        retry_floor_per_s,
        speculative_delay_us,
    } = &mut limits;
    reader.set("limits.frame_body_bytes_max", frame_body_bytes_max, &(1024..=256 << 20));
    reader.set("limits.client_in_flight_max", client_in_flight_max, &(1..=32_768));
    reader.set("limits.outbox_high_bytes", outbox_high_bytes, &(4096..=GIB));
    reader.set("limits.outbox_low_bytes", outbox_low_bytes, &(0..=GIB));
    reader.set("limits.client_backlog_bytes_max", client_backlog_bytes_max, &(1 << 20..=GIB));
    reader.set("limits.lane_streams_max", lane_streams_max, &(1..=32_767));
    reader.set("limits.lane_orphans_max", lane_orphans_max, &(1..=32_767));
    reader.set("limits.lane_retained_bytes_max", lane_retained_bytes_max, &(0..=GIB));
    reader.set("limits.clients_max", clients_max, &(1..=1_000_000));
    reader.set("limits.catalog_bytes_max", catalog_bytes_max, &(64 << 10..=16 * GIB));
    reader.set("limits.tablets_max", tablets_max, &(1..=100_000_000));
    reader.set("limits.keyspaces_max", keyspaces_max, &(1..=10_000));
    reader.set("limits.credentials_max", credentials_max, &(1..=1_000));
    reader.set_ms_as_us("timeouts.request_ms", request_timeout_us, &(1..=DAY_MS));
    reader.set_ms_as_us("timeouts.heartbeat_ms", heartbeat_timeout_us, &(1..=DAY_MS));
    reader.set_ms_as_us("timeouts.lane_stall_ms", lane_stall_us, &(1..=DAY_MS));
    let heartbeat_s = reader.number("lanes.heartbeat_s", *heartbeat_us / 1_000_000, &(0..=86_400));
    *heartbeat_us = heartbeat_s.saturating_mul(1_000_000);
    let idle_s = reader.number("lanes.idle_close_s", *lane_unused_us / 1_000_000, &(0..=86_400));
    *lane_unused_us = idle_s.saturating_mul(1_000_000);
    reader.set_ms_as_us("timeouts.schema_agreement_ms", agreement_timeout_us, &(1..=DAY_MS));
    reader.set("retries.percent", retry_percent, &(0..=100));
    reader.set("retries.floor_per_s", retry_floor_per_s, &(0..=1_000_000));
    reader.set_ms_as_us("retries.speculative_ms", speculative_delay_us, &(0..=60_000));
    limits
}

fn read_dial(reader: &mut Reader<'_>, default: DialSettings) -> DialSettings {
    let mut dial = default;
    let (mut low, mut high) = (*dial.source_ports.start(), *dial.source_ports.end());
    reader.set("timeouts.connect_ms", &mut dial.connect_timeout_ms, &(1..=DAY_MS));
    reader.set("timeouts.handshake_ms", &mut dial.handshake_timeout_ms, &(1..=DAY_MS));
    let per = (dial.lanes, "shard".to_owned());
    dial.lanes = reader.read("lanes.per", per, "give shard or node", |text| match text {
        "shard" => Ok(Wanted::EachShard),
        "node" => Ok(Wanted::One),
        _ => Err("neither shard nor node".to_owned()),
    });
    dial.shard_aware = reader.switch("lanes.shard_aware_port", dial.shard_aware);
    let proxy_port = reader.number("lanes.proxy_protocol_port", 0, &(0..=u16::MAX));
    dial.proxy_protocol_port = Some(proxy_port).filter(|port| *port != 0);
    reader.set("lanes.source_port_low", &mut low, &(1024..=u16::MAX));
    reader.set("lanes.source_port_high", &mut high, &(1024..=u16::MAX));
    reader.set("lanes.keepalive_s", &mut dial.keepalive_s, &(0..=86_400));
    dial.source_ports = low..=high;
    let none = (dial.compression, "none".to_owned());
    dial.compression =
        reader.read("compression.lanes", none, "give none or lz4", |text| match text {
            "none" => Ok(None),
            "lz4" => Ok(Some(Compression::Lz4)),
            _ => Err("neither none nor lz4".to_owned()),
        });
    dial
}

fn read_told(reader: &mut Reader<'_>) -> Vec<Compression> {
    let right = "give lz4 and snappy, either, or nothing";
    reader.read("compression.clients", (Vec::new(), String::new()), right, |text| {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(read_compression).collect()
    })
}

fn read_compression(name: &str) -> Result<Compression, String> {
    Compression::from_name(name).ok_or_else(|| format!("`{name}` is not an algorithm"))
}

fn read_backoff(reader: &mut Reader<'_>, default: BackoffSettings) -> BackoffSettings {
    let mut backoff = default;
    reader.set("lanes.backoff_first_ms", &mut backoff.first_ms, &(1..=DAY_MS));
    reader.set("lanes.backoff_max_ms", &mut backoff.max_ms, &(1..=DAY_MS));
    backoff
}

fn read_failover(reader: &mut Reader<'_>, default: FailoverSettings) -> FailoverSettings {
    let mut failover = default;
    reader.set("failover.remote_nodes_max", &mut failover.remote_nodes_max, &(0..=1024));
    reader.set("lanes.nodes_max", &mut failover.local_nodes_max, &(0..=10_000));
    reader.set("failover.after_ms", &mut failover.after_ms, &(0..=DAY_MS));
    let key = "failover.local_consistency";
    failover.local_consistency = reader.switch(key, failover.local_consistency);
    failover
}

fn read_log(reader: &mut Reader<'_>, default: LogSettings) -> LogSettings {
    let format = (default.format, default.format.to_string());
    let right = "give off, error, warn, info, debug or trace, then module=level after commas";
    LogSettings {
        format: reader.read("log.format", format, "give text or json", str::parse),
        level: reader.read("log.level", (default.level.clone(), default.level), right, |text| {
            logging::check_level(text).map(|()| text.to_owned())
        }),
    }
}

/// What no setting shows alone. A pair with a fault already told is left in peace.
fn check_agreement(reader: &mut Reader<'_>, settings: &Settings) {
    let (limits, backoff) = (&settings.limits, &settings.backoff);
    let sound =
        |reader: &Reader<'_>, a: &str, b: &str| !reader.is_faulty(a) && !reader.is_faulty(b);
    if limits.outbox_low_bytes >= limits.outbox_high_bytes
        && sound(reader, "limits.outbox_low_bytes", "limits.outbox_high_bytes")
    {
        let right = format!("give less than {}", limits.outbox_high_bytes);
        let reason = "not below limits.outbox_high_bytes";
        reader.refuse("limits.outbox_low_bytes", reason, &right);
    }
    if backoff.first_ms > backoff.max_ms
        && sound(reader, "lanes.backoff_first_ms", "lanes.backoff_max_ms")
    {
        let right = format!("give at most {}", backoff.max_ms);
        reader.refuse("lanes.backoff_first_ms", "above lanes.backoff_max_ms", &right);
    }
    // A shard is chosen by `port % nr_shards`: 256 ports reach every shard of the largest machines.
    let ports = (*settings.dial.source_ports.start(), *settings.dial.source_ports.end());
    if u32::from(ports.1) < u32::from(ports.0) + 255
        && sound(reader, "lanes.source_port_low", "lanes.source_port_high")
    {
        let right = "leave at least 256 ports, so that every shard of a node has some";
        let reason = format!("too close to lanes.source_port_low, {}", ports.0);
        reader.refuse("lanes.source_port_high", &reason, right);
    }
    // Port 0 is another one each time.
    let admin = Bind::Tcp(settings.admin);
    let is_same = settings.bind.contains(&admin) && settings.admin.port() != 0;
    if is_same && sound(reader, "bind", "admin") {
        reader.refuse("admin", "the same as bind", "give another port");
    }
    let twice = |at: &Bind| settings.bind.iter().filter(|bind| *bind == at).count() > 1;
    if settings.bind.iter().any(twice) && sound(reader, "bind", "bind") {
        reader.refuse("bind", "the same place twice", "give each once");
    }
    if settings.rack.is_some() && settings.data_center.is_none() && !reader.is_faulty("data_center")
    {
        reader.refuse("rack", "a rack is preferred within a data centre", "set data_center too");
    }
    check_credentials(reader, settings);
    tls::check(reader, settings);
}

fn check_credentials(reader: &mut Reader<'_>, settings: &Settings) {
    let file_is_faulty = reader.is_faulty("password_file");
    let service = settings.auth_mode == Some(AuthMode::Service);
    if service && settings.username.is_none() && !reader.is_faulty("username") {
        let reason = "clients would have the rights of the proxy's own role, and it has none";
        reader.refuse("auth.mode", reason, "set username and password_file too");
    }
    match (&settings.username, &settings.password_file) {
        (Some(_), None) if !file_is_faulty => {
            reader.refuse("username", "it has no password", "set password_file too");
        }
        (None, Some(_)) if !reader.is_faulty("username") => {
            reader.refuse("password_file", "nobody uses it", "set username too, or remove it");
        }
        (_, Some(path)) => {
            if let Err(error) = Secret::read(path) {
                let right = "give the path of a readable file that holds the password alone";
                reader.refuse("password_file", &error.to_string(), right);
            }
        }
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests;
