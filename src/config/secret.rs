//! Secrets come from files, and are never shown.

use std::fmt;
use std::hint;
use std::io;
use std::path::Path;

use crate::platform::bounded_file;

/// A password. It is overwritten when dropped, and prints as asterisks.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads a secret from a file. One line end at its end is not part of it: editors add it.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = bounded_file::read(path)?;
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        let secret = Self(bytes);
        if secret.0.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
        }
        // Nobody types a line end into a login: these are several secrets, or more than the secret.
        if secret.0.contains(&b'\n') {
            let text = "the file has more than one line";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(secret)
    }

    /// The secret itself, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::process;

    use super::*;

    #[test]
    fn a_secret_loses_its_line_end_and_never_shows() {
        let path = env::temp_dir().join(format!("shardlane-secret-{}", process::id()));
        fs::write(&path, "s3cr3t\r\n").unwrap();
        let secret = Secret::read(&path).unwrap();
        fs::write(&path, "\n").unwrap();
        let empty = Secret::read(&path).unwrap_err().to_string();
        let two_lines = ["s3cr3t\n\n", "user\ns3cr3t", "\ns3cr3t\n"].map(|text| {
            fs::write(&path, text).unwrap();
            Secret::read(&path).unwrap_err().to_string()
        });
        fs::remove_file(&path).unwrap();
        assert_eq!(secret.reveal(), b"s3cr3t");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(empty, "the file is empty");
        assert_eq!(two_lines, ["the file has more than one line"; 3]);
    }
}
