//! Where to ask for the cluster first: a name or an address, with or without a port.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::control::error::ControlError;

/// CQL port when none is said.
pub const PORT_DEFAULT: u16 = 9_042;

/// A contact point as written; its name is resolved anew each time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContactPoint {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Port, if said.
    pub port: Option<u16>,
}

impl ContactPoint {
    /// Finds all its addresses, within `timeout_ms`.
    pub async fn resolve(
        &self,
        port_default: u16,
        timeout_ms: u64,
    ) -> Result<Vec<SocketAddr>, ControlError> {
        let port = self.port.unwrap_or(port_default);
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = || format!("{}:{port}", self.host);
        let look_up = lookup_host((self.host.as_str(), port));
        match timeout(Duration::from_millis(timeout_ms), look_up).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<SocketAddr> = Vec::new();
                for address in found {
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                if addresses.is_empty() {
                    return Err(ControlError::NoAddress { name: name() });
                }
                Ok(addresses)
            }
            Ok(Err(source)) => Err(ControlError::Resolve { name: name(), source }),
            Err(_) => Err(ControlError::ResolveTimeout { name: name(), timeout_ms }),
        }
    }
}

impl FromStr for ContactPoint {
    type Err = ControlError;

    fn from_str(text: &str) -> Result<Self, ControlError> {
        let fault = || ControlError::ContactPoint { text: text.to_owned() };
        let text = text.trim();
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or_else(fault)?;
            host.parse::<Ipv6Addr>().map_err(|_| fault())?;
            let port = if port.is_empty() {
                None
            } else {
                port.strip_prefix(':').map(Some).ok_or_else(fault)?
            };
            (host, port)
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, None)
        } else {
            match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = port.map(|port| port.parse::<u16>().map_err(|_| fault())).transpose()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) || port == Some(0) {
            return Err(fault());
        }
        if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
            return Err(fault());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ContactPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (None, _) => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_come_with_and_without_a_port() {
        let cases = [
            ("scylla.example", "scylla.example", None),
            (" node-1.db_2:9043 ", "node-1.db_2", Some(9_043)),
            ("10.0.0.7", "10.0.0.7", None),
            ("10.0.0.7:1", "10.0.0.7", Some(1)),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[fe80::2]:9042", "fe80::2", Some(9_042)),
        ];
        for (text, host, port) in cases {
            let found: ContactPoint = text.parse().unwrap();
            assert_eq!(found, ContactPoint { host: host.to_owned(), port }, "{text}");
            assert_eq!(found.to_string().parse::<ContactPoint>().unwrap(), found);
        }
    }

    #[test]
    fn text_that_cannot_be_a_contact_point_is_refused() {
        for text in [
            "",
            ":9042",
            "host:",
            "host:0",
            "host:99999",
            "host:x",
            "[::1",
            "[host]:1",
            "a:b:1",
            "[::1]9",
            "a b",
        ] {
            assert!(text.parse::<ContactPoint>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_resolves_to_itself() {
        let found = "[::1]".parse::<ContactPoint>().unwrap().resolve(9_042, 1_000).await.unwrap();
        assert_eq!(found, ["[::1]:9042".parse().unwrap()]);
    }
}
