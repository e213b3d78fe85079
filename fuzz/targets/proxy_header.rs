//! PROXY protocol headers: what is read is what the specification says, and what we write of it
//! leads to the same shard.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cql::proxy_header::{FIXED_LEN, ProxyHeader, ProxyPrefix};

/// `data` is the beginning of a connection; its bytes are addresses to write as well.
pub(crate) fn run(data: &[u8]) {
    let read = read(data);
    assert_eq!(read, by_the_book(data), "{data:?}");
    if let Some(header) = read {
        let written = header.to_bytes();
        // Mapped addresses are written as what they stand for.
        assert_eq!(self::read(&written), Some(canonical(header)));
    }
    let addresses = [address(data), address(data.get(18..).unwrap_or_default())];
    let [source, destination] = addresses;
    let header = ProxyHeader::Proxy { source, destination };
    let written = header.to_bytes();
    let reread = by_the_book(&written).expect("our own header");
    assert_eq!(reread, canonical(header));
    let declared = usize::from(u16::from_be_bytes([written[14], written[15]]));
    assert_eq!(written.len(), FIXED_LEN + declared, "a server waits for all of it");
    assert!(self::read(&written[..written.len() - 1]).is_none(), "a byte less is no header");
}

/// By our reader, which gets the bytes as a server does: first 16, then as many as they announce.
fn read(data: &[u8]) -> Option<ProxyHeader> {
    let (fixed, rest) = data.split_first_chunk::<FIXED_LEN>()?;
    let prefix = ProxyPrefix::read(fixed)?;
    ProxyHeader::read(prefix, rest.get(..prefix.rest_len)?)
}

/// By the text of the specification (section 2.2), as far as a ScyllaDB node goes along.
fn by_the_book(data: &[u8]) -> Option<ProxyHeader> {
    let signature = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];
    if data.len() < 16 || data[..12] != signature {
        return None;
    }
    let (version, command) = (data[12] >> 4, data[12] & 0x0f);
    let (family, protocol) = (data[13] >> 4, data[13] & 0x0f);
    let len = usize::from(data[14]) << 8 | usize::from(data[15]);
    let block = data.get(16..16 + len)?;
    let port = |at: usize| u16::from(block[at]) << 8 | u16::from(block[at + 1]);
    let v6 = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&block[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let v4 = |at: usize| {
        IpAddr::V4(Ipv4Addr::new(block[at], block[at + 1], block[at + 2], block[at + 3]))
    };
    match (version, command, family, protocol) {
        (2, 0, 0, 0) if len == 0 => Some(ProxyHeader::Local),
        (2, 1, 1, 1) if len >= 12 => Some(ProxyHeader::Proxy {
            source: SocketAddr::new(v4(0), port(8)),
            destination: SocketAddr::new(v4(4), port(10)),
        }),
        (2, 1, 2, 1) if len >= 36 => Some(ProxyHeader::Proxy {
            source: SocketAddr::new(v6(0), port(32)),
            destination: SocketAddr::new(v6(16), port(34)),
        }),
        _ => None,
    }
}

/// The header as it comes back: both addresses of one family.
fn canonical(header: ProxyHeader) -> ProxyHeader {
    let ProxyHeader::Proxy { source, destination } = header else { return header };
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let (from, to) = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => (from, to),
        _ => (mapped(from), mapped(to)),
    };
    ProxyHeader::Proxy {
        source: SocketAddr::new(from, source.port()),
        destination: SocketAddr::new(to, destination.port()),
    }
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => address,
    }
}

/// An address of 18 bytes, those that are missing zeros; even first bytes make it one of IPv4.
fn address(data: &[u8]) -> SocketAddr {
    let mut bytes = [0; 18];
    let len = data.len().min(18);
    bytes[..len].copy_from_slice(&data[..len]);
    let port = u16::from_be_bytes([bytes[16], bytes[17]]);
    let [a, b, c, d, ..] = bytes;
    if a.is_multiple_of(2) {
        return SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port);
    }
    let mut octets = [0; 16];
    octets.copy_from_slice(&bytes[..16]);
    SocketAddr::new(Ipv6Addr::from(octets).into(), port)
}
