//! A file that is replaced as a whole: readers see the old one or the new one, also after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes at the front of a file by which its writer is known.
const HEAD_BYTES: u64 = 64;

/// The file that is to take another's place. It is written beside it; what a process left behind there is
/// overwritten. Dropped before [`ReplacedFile::commit`], it is removed and the other one stays.
#[derive(Debug)]
pub(crate) struct ReplacedFile {
    file: File,
    draft: PathBuf,
    target: PathBuf,
    is_done: bool,
}

impl ReplacedFile {
    /// Begins an empty file that only its owner may read. What is no regular file is never replaced, and
    /// neither is a file of others: `is_ours` judges one by its first 64 bytes.
    pub(crate) fn begin(target: &Path, is_ours: impl Fn(&[u8]) -> bool) -> io::Result<Self> {
        check(target, is_ours)?;
        let mut draft = target.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        check(&draft, |_| true)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        Ok(Self { file, draft, target: target.to_owned(), is_done: false })
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Puts it in the other's place.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        // Its bytes are on the disk before its name is: otherwise a crash may leave the name alone.
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.target)?;
        self.is_done = true;
        Ok(())
    }
}

/// Refuses what stands at `path` if it must stay. To open a pipe would wait for its other end.
fn check(path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let fault = |why: &str| io::Error::new(io::ErrorKind::AlreadyExists, why);
    let is_file = match fs::metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !is_file {
        return Err(fault("what is there is not a regular file, and stays"));
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    if head.is_empty() || is_ours(&head) {
        Ok(())
    } else {
        Err(fault("the file that is there is not one of shardlane's, and stays"))
    }
}

impl Drop for ReplacedFile {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = fs::remove_file(&self.draft)
        {
            tracing::debug!(path = %self.draft.display(), %error, "an unfinished file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::{env, process};

    use super::*;

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = env::temp_dir().join(format!("shardlane-replaced-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let mut first = ReplacedFile::begin(&path, is_ours).unwrap();
        first.write(b"one").unwrap();
        assert!(!path.exists());
        first.commit().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut dropped = ReplacedFile::begin(&path, is_ours).unwrap();
        dropped.write(b"tw").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        let mut second = ReplacedFile::begin(&path, is_ours).unwrap();
        second.write(b"two").unwrap();
        second.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_file_is_begun_where_none_can_be() {
        let path = Path::new("/proc/shardlane-state");
        assert!(ReplacedFile::begin(path, is_ours).is_err());
    }

    #[test]
    fn a_file_of_others_stays() {
        let folder = env::temp_dir().join(format!("shardlane-stays-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        fs::write(&path, "contact_points = []").unwrap();
        assert!(ReplacedFile::begin(&path, is_ours).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"contact_points = []");
        fs::write(&path, "").unwrap();
        assert!(ReplacedFile::begin(&path, is_ours).is_ok(), "an empty file has nothing to lose");
        for special in [&folder, Path::new("/dev/null")] {
            assert!(ReplacedFile::begin(special, is_ours).is_err(), "{}", special.display());
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    fn is_ours(head: &[u8]) -> bool {
        [b"one", b"two"].iter().any(|known| head.starts_with(*known))
    }
}
