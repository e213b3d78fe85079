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

/// The oldest major and minor version of CQL that Apache Cassandra serves: all that come before 3.
const CQL_VERSION_MIN: (u32, u32) = (2, 99);

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

    /// What Apache Cassandra says against the version of CQL, where it does not serve it; the error
    /// is a PROTOCOL_ERROR. ScyllaDB does not look at the version.
    #[must_use]
    pub fn version_refusal(&self) -> Option<String> {
        let Some(version) = self.get(CQL_VERSION) else {
            return Some("Missing value CQL_VERSION in STARTUP message".to_owned());
        };
        let Some(numbers) = version_numbers(version) else {
            return Some(format!("Invalid version value: {version}"));
        };
        (numbers < CQL_VERSION_MIN).then(|| {
            format!(
                "CQL version {version} is not supported by the binary protocol (supported version \
                 are >= 3.0.0)"
            )
        })
    }

    /// The algorithm asked for; its name is taken in any case, as the server does.
    pub fn compression(&self) -> Result<Option<Compression>, WireError> {
        let Some(name) = self.get(COMPRESSION) else { return Ok(None) };
        let unknown = || WireError::CompressionName(name.to_lowercase().into());
        Compression::from_name(name).map(Some).ok_or_else(unknown)
    }
}

/// Major and minor number of a version, which digits and a point must begin.
fn version_numbers(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let minor = rest.get(..end)?;
    let number = |digits: &str| {
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    Some((number(major)?, number(minor)?))
}

/// Appends a STARTUP frame.
pub fn write_startup(out: &mut Vec<u8>, version: u8, stream: i16, options: &[(&str, &str)]) {
    write_frame(out, FrameHead { version, flags: 0, stream }, Opcode::Startup, |out| {
        put_string_map(out, options);
    });
}
