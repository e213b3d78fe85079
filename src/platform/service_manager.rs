//! Words to the service manager that started the process (sd_notify): systemd with `Type=notify`, and what speaks as
//! it does. Without one nothing happens.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;

/// Clients are served, by this process.
pub(crate) fn notify_ready() {
    notify(&format!("MAINPID={}\nREADY=1\nSTATUS=", process::id()));
}

/// The process is about to end.
pub(crate) fn notify_stopping() {
    notify("STOPPING=1");
}

/// The line that says why this process ends without having served: `systemctl status` shows it.
#[must_use]
pub(crate) fn status_of_end(why: &str) -> String {
    let line: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("STATUS=process {} has ended: {line}", process::id())
}

/// Sends lines of `NAME=value`.
pub(crate) fn notify(state: &str) {
    let sent = connect().map(|manager| manager.send(state.as_bytes()));
    if let Some(Err(error)) = sent {
        tracing::debug!(%error, state, "the service manager was not notified");
    }
}

/// A socket to the service manager; `None` when there is none.
#[must_use]
pub(crate) fn connect() -> Option<UnixDatagram> {
    let address = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())?;
    match connect_to(&address) {
        Ok(manager) => Some(manager),
        Err(error) => {
            tracing::debug!(%error, "the service manager cannot be notified");
            None
        }
    }
}

fn connect_to(address: &OsStr) -> io::Result<UnixDatagram> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let manager = UnixDatagram::unbound()?;
    manager.connect_addr(&address)?;
    Ok(manager)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn the_end_of_a_process_is_one_line() {
        let line = status_of_end("no lane\n  to any\tnode");
        assert!(line.starts_with("STATUS=process ") && !line.contains('\n'), "{line}");
        assert!(line.ends_with(" has ended: no lane   to any node"), "{line}");
    }

    #[test]
    fn a_manager_listens_at_a_path_or_at_an_abstract_name() {
        let path = env::temp_dir().join(format!("shardlane-notify-{}", process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        connect_to(path.as_os_str()).unwrap().send(b"READY=1").unwrap();
        assert_eq!(heard(&socket), "READY=1");
        std::fs::remove_file(&path).unwrap();
        let name = format!("shardlane-notify-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = connect_to(OsStr::new(&format!("@{name}"))).unwrap();
        manager.send(b"STOPPING=1").unwrap();
        assert_eq!(heard(&socket), "STOPPING=1");
        assert!(connect_to(OsStr::new("/nonexistent/notify")).is_err());
    }
}
