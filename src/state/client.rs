//! What a process has to know of a client to serve it on, when it gets the connection from another process.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::session::sasl::SaslToken;
use cql::compression::Compression;
use cql::error::WireError;
use cql::notation::{Reader, put_bytes, put_inet, put_long_string};

/// Bits of a client.
const LZ4: u8 = 1;
const SNAPPY: u8 = 2;
const SCHEMA_EVENTS: u8 = 4;
const CONSOLE: u8 = 8;
const NEW: u8 = 16;
/// In place of the version of a client that has sent nothing.
const NO_VERSION: u8 = 0;

/// A client between two requests, or before its first: all that it asked was answered, and all answers have left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MovedClient {
    /// The address under which it reached the proxy.
    pub local: SocketAddr,
    /// Its own address; `None` for a Unix socket.
    pub peer: Option<SocketAddr>,
    /// Protocol version, 3 or 4; `None` before its first frame.
    pub version: Option<u8>,
    /// Whether it has not started: its STARTUP is still to come.
    pub is_new: bool,
    /// How bodies towards it are compressed.
    pub compression: Option<Compression>,
    /// The keyspace it said `USE` of.
    pub keyspace: Option<Arc<str>>,
    /// Whether it asked for events about the schema.
    pub schema_events: bool,
    /// Whether it said `USE` of the console.
    pub uses_console: bool,
    /// Its driver's name and version.
    pub driver: Option<(String, String)>,
    /// The front of a frame whose rest was not read yet.
    pub partial: Vec<u8>,
    /// What it logged in with; `None` if it did not have to.
    pub token: Option<SaslToken>,
}

impl MovedClient {
    /// Appends it.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_inet(out, self.local.ip(), i32::from(self.local.port()));
        out.push(u8::from(self.peer.is_some()));
        let peer = self.peer.unwrap_or(self.local);
        put_inet(out, peer.ip(), i32::from(peer.port()));
        let compression = match self.compression {
            None => 0,
            Some(Compression::Lz4) => LZ4,
            Some(Compression::Snappy) => SNAPPY,
        };
        let events = if self.schema_events { SCHEMA_EVENTS } else { 0 };
        let console = if self.uses_console { CONSOLE } else { 0 };
        let new = if self.is_new { NEW } else { 0 };
        let version = self.version.unwrap_or(NO_VERSION);
        out.extend_from_slice(&[version, compression | events | console | new]);
        put_bytes(out, self.keyspace.as_deref().map(str::as_bytes));
        out.push(u8::from(self.driver.is_some()));
        let (name, version) = self.driver.clone().unwrap_or_default();
        put_long_string(out, &name);
        put_long_string(out, &version);
        put_bytes(out, Some(&self.partial));
        put_bytes(out, self.token.as_ref().map(SaslToken::reveal));
    }

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let (ip, port) = reader.inet()?;
        let local = address(ip, port)?;
        let has_peer = reader.byte()? != 0;
        let (ip, port) = reader.inet()?;
        let peer = address(ip, port)?;
        let version = reader.byte()?;
        let bits = reader.byte()?;
        let is_new = bits & NEW != 0;
        let version = match version {
            3 | 4 => Some(version),
            NO_VERSION if is_new => None,
            _ => return Err(WireError::Version(version)),
        };
        let keyspace = match reader.bytes()? {
            Some(name) => Some(str::from_utf8(name).map_err(|_| WireError::Utf8)?.into()),
            None => None,
        };
        let has_driver = reader.byte()? != 0;
        let driver = (reader.long_string()?.to_owned(), reader.long_string()?.to_owned());
        let partial = reader.bytes()?.unwrap_or_default().to_vec();
        let token = reader.bytes()?.map(SaslToken::new);
        let lz4 = (bits & LZ4 != 0).then_some(Compression::Lz4);
        Ok(Self {
            local,
            peer: has_peer.then_some(peer),
            version,
            is_new,
            compression: lz4.or_else(|| (bits & SNAPPY != 0).then_some(Compression::Snappy)),
            keyspace,
            schema_events: bits & SCHEMA_EVENTS != 0,
            uses_console: bits & CONSOLE != 0,
            driver: has_driver.then_some(driver),
            partial,
            token,
        })
    }
}

fn address(ip: IpAddr, port: i32) -> Result<SocketAddr, WireError> {
    let port = u16::try_from(port).map_err(|_| WireError::Length(port))?;
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_read_as_it_was_written_and_never_from_less() {
        let plain = MovedClient {
            local: "127.0.0.1:9042".parse().unwrap(),
            peer: None,
            version: Some(3),
            is_new: false,
            compression: None,
            keyspace: None,
            schema_events: false,
            uses_console: false,
            driver: None,
            partial: Vec::new(),
            token: None,
        };
        let full = MovedClient {
            local: "[::1]:9142".parse().unwrap(),
            peer: Some("10.0.0.7:51234".parse().unwrap()),
            version: Some(4),
            is_new: false,
            compression: Some(Compression::Lz4),
            keyspace: Some("Täble".into()),
            schema_events: true,
            uses_console: true,
            driver: Some(("driver".to_owned(), "1.2".to_owned())),
            partial: vec![4, 0, 0],
            token: Some(SaslToken::new(b"\0bob\0pw")),
        };
        let snappy = MovedClient { compression: Some(Compression::Snappy), ..full.clone() };
        let silent = MovedClient { version: None, is_new: true, ..plain.clone() };
        for client in [plain, full, snappy, silent] {
            let mut bytes = Vec::new();
            client.put(&mut bytes);
            assert_eq!(MovedClient::read(&bytes), Ok(client));
            for len in 0..bytes.len() {
                assert!(MovedClient::read(&bytes[..len]).is_err(), "{len}");
            }
        }
    }
}
