//! PROXY protocol v2: the header that names the address a connection comes from.
//!
//! ScyllaDB 2026.1 and later reads it at `native_shard_aware_transport_port_proxy_protocol` and
//! takes the shard from the source port in it, not from the port of the connection. It closes
//! without an answer on anything but TCP over IPv4 or IPv6, on a LOCAL header with addresses, and
//! unless the 16 fixed bytes come in one read and all others in the next: write all of it at once.

use std::net::{IpAddr, SocketAddr};

/// Length of the fixed part.
pub const FIXED_LEN: usize = 16;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const TCP4_LEN: usize = 12;
const TCP6_LEN: usize = 36;

/// A header as a server may take it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyHeader {
    /// The connection's own addresses count.
    Local,
    /// These addresses count.
    Proxy {
        /// Where the connection comes from.
        source: SocketAddr,
        /// Where it goes to.
        destination: SocketAddr,
    },
}

/// The fixed part of a header, which says how much follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProxyPrefix {
    command: u8,
    family: u8,
    /// Bytes that follow the fixed part.
    pub rest_len: usize,
}

impl ProxyHeader {
    /// The bytes of the header. Addresses of two families are both written as IPv6.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        let Self::Proxy { source, destination } = self else {
            out.extend_from_slice(&[LOCAL, UNSPEC, 0, 0]);
            return out;
        };
        let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
        if let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) {
            out.extend_from_slice(&[PROXY, TCP4, 0, 12]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
        } else {
            out.extend_from_slice(&[PROXY, TCP6, 0, 36]);
            for address in [from, to] {
                let address = match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                out.extend_from_slice(&address.octets());
            }
        }
        out.extend_from_slice(&source.port().to_be_bytes());
        out.extend_from_slice(&destination.port().to_be_bytes());
        out
    }

    /// Reads what follows the fixed part; `None` for what a server does not take. Bytes behind the
    /// addresses are ignored: they are extensions.
    #[must_use]
    pub fn read(prefix: ProxyPrefix, rest: &[u8]) -> Option<Self> {
        match (prefix.command, prefix.family) {
            (LOCAL, UNSPEC) if rest.is_empty() => Some(Self::Local),
            (PROXY, TCP4) => {
                let [from, to, ports] = *rest.get(..TCP4_LEN)?.as_chunks::<4>().0 else {
                    return None;
                };
                Some(Self::between(IpAddr::from(from), IpAddr::from(to), ports))
            }
            (PROXY, TCP6) => {
                let ([from, to], ports) = rest.get(..TCP6_LEN)?.as_chunks::<16>() else {
                    return None;
                };
                Some(Self::between((*from).into(), (*to).into(), ports.try_into().ok()?))
            }
            _ => None,
        }
    }

    fn between(from: IpAddr, to: IpAddr, [a, b, c, d]: [u8; 4]) -> Self {
        Self::Proxy {
            source: SocketAddr::new(from, u16::from_be_bytes([a, b])),
            destination: SocketAddr::new(to, u16::from_be_bytes([c, d])),
        }
    }
}

impl ProxyPrefix {
    /// Reads the fixed part; `None` when it is no header of version 2.
    #[must_use]
    pub fn read(fixed: &[u8; FIXED_LEN]) -> Option<Self> {
        let (signature, [command, family, high, low]) = fixed.split_last_chunk::<4>()?;
        let rest_len = usize::from(u16::from_be_bytes([*high, *low]));
        (signature == SIGNATURE).then_some(Self { command: *command, family: *family, rest_len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Option<ProxyHeader> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED_LEN>()?;
        let prefix = ProxyPrefix::read(fixed)?;
        assert_eq!(prefix.rest_len, rest.len());
        ProxyHeader::read(prefix, rest)
    }

    fn header(source: &str, destination: &str) -> ProxyHeader {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        ProxyHeader::Proxy { source, destination }
    }

    #[test]
    fn a_header_is_as_the_specification_has_it() {
        let bytes = header("10.0.0.1:49154", "10.0.0.2:19043").to_bytes();
        let expected = [
            &b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c"[..],
            &[10, 0, 0, 1, 10, 0, 0, 2, 0xc0, 0x02, 0x4a, 0x63],
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn headers_come_back_as_they_were_written() {
        for (source, destination) in
            [("10.0.0.1:1", "10.0.0.2:2"), ("[fd00::1]:65535", "[fd00::2]:19043")]
        {
            let header = header(source, destination);
            assert_eq!(parse(&header.to_bytes()), Some(header));
        }
        assert_eq!(parse(&ProxyHeader::Local.to_bytes()), Some(ProxyHeader::Local));
        let mapped = header("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:2").to_bytes();
        assert_eq!(parse(&mapped), Some(header("10.0.0.1:1", "10.0.0.2:2")));
    }

    #[test]
    fn headers_that_a_server_closes_on_are_none() {
        let sound = header("10.0.0.1:1", "10.0.0.2:2").to_bytes();
        let changed = |at: usize, byte: u8| {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            bytes
        };
        // LOCAL with addresses, UNSPEC, UDP, a Unix socket, another version, no signature.
        for bytes in [
            changed(12, LOCAL),
            changed(13, UNSPEC),
            changed(13, 0x12),
            changed(13, 0x31),
            changed(12, 0x11),
            changed(0, b'P'),
        ] {
            assert_eq!(parse(&bytes), None, "{bytes:?}");
        }
        let mut extended = changed(15, 15);
        extended.extend_from_slice(&[4, 0, 0]);
        assert_eq!(parse(&extended), parse(&sound), "extensions are ignored");
    }
}
