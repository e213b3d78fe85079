//! Secrets come from files, and are never shown.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::config::error::Doubt;
use crate::platform::bounded_file;

/// A password. It is overwritten when dropped, and prints as asterisks.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Reads a secret from a file. One line end at its end is not part of it: editors add it.
    ///
    /// The errors say why the file holds no password, and never what it holds.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Zeroizing::new(bounded_file::read(path)?);
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        let fault = if bytes.is_empty() {
            "the file is empty"
        } else if bytes.contains(&b'\n') {
            // These are several secrets, or more than the secret.
            "the file has more than one line"
        } else if bytes.contains(&0) {
            // A login separates name and password by NUL: the node would read another password.
            "the file has a NUL character in it"
        } else if str::from_utf8(&bytes).is_err() {
            "the file is not text in UTF-8"
        } else {
            return Ok(Self(bytes));
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, fault))
    }

    /// The secret itself, for the one place that sends it.
    #[must_use]
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The doubt about a password file that all users of the machine may read.
#[must_use]
pub(crate) fn doubt(path: Option<&Path>) -> Option<Doubt> {
    let path = path?;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let text = format!(
        "password_file = \"{}\": all users of the machine may read the password, by mode {mode:04o}",
        path.display()
    );
    let hint =
        "take that from the file (chmod 0400), in Kubernetes by the volume's defaultMode: 0400";
    (mode & 0o004 != 0).then(|| Doubt { key: "password_file", text, hint: hint.to_owned() })
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
        let others = [&b"s3\0cr3t"[..], b"s3cr3t\xff"].map(|bytes| {
            fs::write(&path, bytes).unwrap();
            Secret::read(&path).unwrap_err().to_string()
        });
        fs::remove_file(&path).unwrap();
        assert_eq!(secret.reveal(), b"s3cr3t");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(empty, "the file is empty");
        assert_eq!(two_lines, ["the file has more than one line"; 3]);
        assert_eq!(others, ["the file has a NUL character in it", "the file is not text in UTF-8"]);
    }

    #[test]
    fn a_password_file_that_all_users_may_read_is_a_doubt() {
        let path = env::temp_dir().join(format!("shardlane-open-secret-{}", process::id()));
        fs::write(&path, "s3cr3t\n").unwrap();
        let mut doubts = [0o644, 0o604, 0o640, 0o400].map(|mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            doubt(Some(&path)).map(|doubt| doubt.to_string())
        });
        fs::remove_file(&path).unwrap();
        let shown = doubts[0].take().unwrap();
        assert!(shown.contains("may read the password, by mode 0644; take that"), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert!(doubts[1].is_some());
        assert_eq!(doubts[2..], [None, None]);
        assert_eq!(doubt(None), None);
        assert_eq!(doubt(Some(&path)), None, "a file that is not there is a fault, and no doubt");
    }
}
