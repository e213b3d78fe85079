//! ERROR frames for versions that are not spoken, word for word as ScyllaDB sends them.
//!
//! Drivers step down by these: Java and Python look at the text, Node, C# and gocql at the version
//! and the stream of the header.

use crate::error_code::ErrorCode;
use crate::header::RESPONSE;
use crate::response::error::write_error;

/// The newest version that is spoken, which the header of a refusal offers.
const VERSION_MAX: u8 = 4;

/// Appends the answer to a connection's first byte when that is not a version spoken here.
///
/// `byte` is the raw first byte: a TLS greeting reads as version 22. The stream is 0, not that of the
/// client's frame. The connection closes after it.
pub fn write_version_refusal(out: &mut Vec<u8>, byte: u8) {
    let text = format!("Invalid or unsupported protocol version: {byte}");
    write_error(out, VERSION_MAX, 0, ErrorCode::PROTOCOL_ERROR, &text);
}

/// Appends the answer to a frame whose version byte differs from the connection's first.
///
/// The stream is 0, the header's version the connection's. The connection closes after it.
pub fn write_version_change(out: &mut Vec<u8>, version: u8, byte: u8) {
    let version = version & !RESPONSE;
    let text = format!(
        "Invalid message version. Got {byte} but previous messages on this connection had version {version}"
    );
    write_error(out, version, 0, ErrorCode::PROTOCOL_ERROR, &text);
}
