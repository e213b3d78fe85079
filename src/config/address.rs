//! Addresses as people write them: `host`, `host:port`, `[::1]:port`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A node to ask first for the cluster's members. The host may be a name; it is resolved anew at
/// each attempt, because the address behind a name changes when a node is replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContactPoint {
    /// Name or address, without brackets.
    pub host: String,
    /// CQL port of that node.
    pub port: u16,
}

impl ContactPoint {
    /// Reads one contact point; `port` is for those that name none.
    pub fn parse(text: &str, port: u16) -> Result<Self, String> {
        let text = text.trim();
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port });
        }
        let (host, port) = match text.rsplit_once(':') {
            None => (text, port),
            Some((host, port)) => (host, parse_port(port)?),
        };
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bare {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            None if is_host(host) => host,
            Some(_) | None => {
                return Err(format!("`{host}` is neither a host name nor an address"));
            }
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ContactPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(address) => write!(f, "{}", SocketAddr::new(address, self.port)),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{text}` is not a port")),
    }
}

/// RFC 1123 names, and `_`, which container platforms allow.
fn is_host(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    !text.is_empty() && text.chars().all(letters) && (!numeric || text.parse::<IpAddr>().is_ok())
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
    fn a_contact_point_takes_the_common_port_unless_it_names_its_own() {
        for (text, expected) in [
            ("db-1.example.com", "db-1.example.com:9042"),
            ("10.0.0.1:9142", "10.0.0.1:9142"),
            ("::1", "[::1]:9042"),
            ("[fd00::2]:9142", "[fd00::2]:9142"),
            (" node_a ", "node_a:9042"),
        ] {
            assert_eq!(ContactPoint::parse(text, 9042).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn nonsense_is_not_a_contact_point() {
        for text in ["", "a b", "10.0.0", "300.1.1.1", "host:0", "host:70000", "[x]:9042", "a:b:c"]
        {
            assert!(ContactPoint::parse(text, 9042).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn a_unix_socket_is_refused_in_clear_words() {
        let reason = parse_listen("unix:/run/shardlane.sock").unwrap_err();
        assert_eq!(reason, "unix sockets are not served yet");
    }
}
