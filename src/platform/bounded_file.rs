//! Files that people write: settings, and what is read again and again while we run.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Longest file, bytes: bundles of CAs have a quarter of that.
const BYTES_MAX: u64 = 1 << 20;

/// More than a password has, bytes.
const USUAL_BYTES: usize = 4096;

/// Reads a regular file. A pipe or a device is refused: reading it may never end, or never begin.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(fault("not a regular file, which can be read again when it changes"));
    }
    read_once(path)
}

/// Reads a file that a program wrote, of `bytes_max` at most.
pub(crate) fn read_up_to(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(fault("not a regular file"));
    }
    if found.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than it may be"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the text of a file once, which may come through a pipe.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_once(path)?).map_err(|_| fault("not a text in UTF-8"))
}

fn read_once(path: &Path) -> io::Result<Vec<u8>> {
    // A password is not moved while it is read: the place that it leaves would not be overwritten.
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(..=BYTES_MAX) => Ok(bytes),
        Ok(_) | Err(_) => Err(fault("longer than 1 MiB, which no such file is")),
    }
}

fn fault(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use super::*;

    #[test]
    fn a_file_that_never_ends_is_not_read() {
        let error = |path: &Path| read(path).unwrap_err().to_string();
        assert!(error(Path::new("/dev/zero")).contains("not a regular file"));
        assert!(error(&env::temp_dir()).contains("not a regular file"));
        assert!(read_text(Path::new("/dev/zero")).unwrap_err().to_string().contains("1 MiB"));
        let path = env::temp_dir().join(format!("shardlane-long-{}", process::id()));
        fs::write(&path, vec![7; 1 << 20]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1 << 20);
        File::options().append(true).open(&path).unwrap().set_len(3 << 30).unwrap();
        let long = error(&path);
        fs::remove_file(&path).unwrap();
        assert!(long.contains("1 MiB"), "{long}");
    }
}
