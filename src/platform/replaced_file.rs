//! A file that is replaced as a whole: readers see the old one or the new one, also after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file that is to take another's place. It is written beside it; what a process left behind there is
/// overwritten. Dropped before [`ReplacedFile::commit`], it is removed and the other one stays.
#[derive(Debug)]
pub struct ReplacedFile {
    file: File,
    draft: PathBuf,
    target: PathBuf,
    is_done: bool,
}

impl ReplacedFile {
    /// Begins an empty file that only its owner may read.
    pub fn begin(target: &Path) -> io::Result<Self> {
        let mut draft = target.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        Ok(Self { file, draft, target: target.to_owned(), is_done: false })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Puts it in the other's place.
    pub fn commit(mut self) -> io::Result<()> {
        // Its bytes are on the disk before its name is: otherwise a crash may leave the name alone.
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.target)?;
        self.is_done = true;
        Ok(())
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
        let mut first = ReplacedFile::begin(&path).unwrap();
        first.write(b"one").unwrap();
        assert!(!path.exists());
        first.commit().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut dropped = ReplacedFile::begin(&path).unwrap();
        dropped.write(b"tw").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        let mut second = ReplacedFile::begin(&path).unwrap();
        second.write(b"two").unwrap();
        second.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_file_is_begun_where_none_can_be() {
        let path = Path::new("/proc/shardlane-state");
        assert!(ReplacedFile::begin(path).is_err());
    }
}
