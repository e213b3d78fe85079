//! STARTUP: the options that a connection begins with (v4 section 4.1.1).

use crate::compression::Compression;
use crate::error::WireError;
use crate::frame::{FrameHead, write_frame};
use crate::notation::{Reader, put_string_map};
use crate::opcode::Opcode;

/// Option: version of CQL, which every driver sends.
pub const CQL_VERSION: &str = "CQL_VERSION";
/// Option: algorithm for bodies.
pub const COMPRESSION: &str = "COMPRESSION";
/// Option: who the driver is; shown in `system.clients`.
pub const DRIVER_NAME: &str = "DRIVER_NAME";
/// Option: the driver's version.
pub const DRIVER_VERSION: &str = "DRIVER_VERSION";

/// A STARTUP body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Startup<'a> {
    /// Options in the order sent. ScyllaDB looks at the keys of its extensions, not at values.
    pub options: Vec<(&'a str, &'a str)>,
}

impl<'a> Startup<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        Ok(Self { options: Reader::new(body).string_map()? })
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.options.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// The algorithm asked for; its name is taken in any case, as the server does.
    pub fn compression(&self) -> Result<Option<Compression>, WireError> {
        let Some(name) = self.get(COMPRESSION) else { return Ok(None) };
        let unknown = || WireError::CompressionName(name.to_lowercase().into());
        Compression::from_name(name).map(Some).ok_or_else(unknown)
    }
}

/// Appends a STARTUP frame.
pub fn write_startup(out: &mut Vec<u8>, version: u8, stream: i16, options: &[(&str, &str)]) {
    write_frame(out, FrameHead { version, flags: 0, stream }, Opcode::Startup, |out| {
        put_string_map(out, options);
    });
}
