//! Certificates: read, checked, and read again when their files change.

pub mod error;
pub mod files;
pub mod rotated;
#[cfg(test)]
pub(crate) mod test_certificates;
pub(crate) mod validity;
