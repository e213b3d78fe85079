//! Addresses as people write them: contact points, and where to listen.

use std::net::{IpAddr, SocketAddr};

use crate::control::contact_point::ContactPoint;

/// Reads one contact point. An address with a slip in it would pass for a name, and only fail when
/// it is looked up.
pub fn parse_contact_point(text: &str) -> Result<ContactPoint, String> {
    let point = text.parse::<ContactPoint>();
    let point = point.map_err(|_| format!("`{text}` is neither a host nor an address"))?;
    let is_numeric = point.host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_numeric && point.host.parse::<IpAddr>().is_err() {
        return Err(format!("`{text}` is no complete address"));
    }
    Ok(point)
}

/// Reads an address to listen on. Names are refused: which of its addresses would be meant?
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if text.starts_with("unix:") {
        return Err("unix sockets are not served yet".to_owned());
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
    fn a_unix_socket_is_refused_in_clear_words() {
        let reason = parse_listen("unix:/run/shardlane.sock").unwrap_err();
        assert_eq!(reason, "unix sockets are not served yet");
    }
}
