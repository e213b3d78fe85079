//! Addresses as people write them: contact points, and where to listen.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::control::contact::contact_point::ContactPoint;
use crate::listen::listener::Bind;

/// Longest path of a Unix socket: 108 bytes of `sockaddr_un` with the zero at the end.
const UNIX_PATH_MAX: usize = 107;

/// Reads one contact point. A mistyped address would pass for a name, and only fail when it is looked
/// up; so it is refused here.
pub(crate) fn parse_contact_point(text: &str) -> Result<ContactPoint, String> {
    let point = text.parse::<ContactPoint>();
    let point = point.map_err(|_| format!("`{text}` is neither a host nor an address"))?;
    let is_numeric = point.host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_numeric && point.host.parse::<IpAddr>().is_err() {
        return Err(format!("`{text}` is no complete address"));
    }
    Ok(point)
}

/// Reads a place where clients connect: an address with a port, or the path of a Unix socket.
pub(crate) fn parse_bind(text: &str) -> Result<Bind, String> {
    let Some(path) = text.strip_prefix("unix:") else {
        return parse_listen(text).map(Bind::Tcp);
    };
    match path.len() {
        0 => Err("it has no path".to_owned()),
        1..=UNIX_PATH_MAX => Ok(Bind::Unix(PathBuf::from(path))),
        _ => Err(format!("its path is longer than {UNIX_PATH_MAX} bytes")),
    }
}

/// Reads permissions as `chmod` takes them.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        Ok(_) => Err("more than permissions".to_owned()),
        Err(_) => Err("not an octal number".to_owned()),
    }
}

/// Reads an address to listen on. Names are refused, because a name may have several addresses.
pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if text.starts_with("unix:") {
        return Err("a Unix socket is for clients only".to_owned());
    }
    text.parse().map_err(|_| "not an address with a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_slip_is_not_taken_for_a_name() {
        for text in ["10.0.0", "300.1.1.1", "10.0.0.1.", "9042", "a b", ""] {
            assert!(parse_contact_point(text).is_err(), "{text} was taken");
        }
        for text in ["10.0.0.1:9142", "db-1.example.com", "[fd00::2]:9142", "1.example.com"] {
            assert!(parse_contact_point(text).is_ok(), "{text} was refused");
        }
    }

    #[test]
    fn clients_connect_over_tcp_or_a_unix_socket() {
        let binds = ["127.0.0.1:9042", "unix:/run/shardlane.sock", "[::1]:9142"];
        let expected = [
            Bind::Tcp("127.0.0.1:9042".parse().unwrap()),
            Bind::Unix(PathBuf::from("/run/shardlane.sock")),
            Bind::Tcp("[::1]:9142".parse().unwrap()),
        ];
        assert_eq!(binds.map(|text| parse_bind(text).unwrap()), expected);
        for text in ["", "unix:", "127.0.0.1:1,", "localhost:9042", &format!("unix:/{:0107}", 0)] {
            assert!(parse_bind(text).is_err(), "{text} was taken");
        }
        assert!(parse_listen("unix:/run/x").unwrap_err().contains("for clients only"));
    }

    #[test]
    fn a_mode_is_octal_and_nothing_but_permissions() {
        assert_eq!((parse_mode("0660"), parse_mode("600")), (Ok(0o660), Ok(0o600)));
        for text in ["", "rw", "0668", "1777", "-1"] {
            assert!(parse_mode(text).is_err(), "{text} was taken");
        }
    }
}
