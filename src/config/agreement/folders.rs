//! Folders in which the process is to write: one that is not there, or not open to it, is found now and not at the first
//! writing.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::config::error::Doubt;
use crate::config::settings::Settings;
use crate::listen::listener::Bind;

/// Doubts about the folders of files that the process makes. They are no faults: a service manager may make the folder
/// when it starts the process, and as another user than the one who asks.
#[must_use]
pub(crate) fn doubts(settings: &Settings) -> Vec<Doubt> {
    let kept = [("state.file", &settings.state.file), ("upgrade.socket", &settings.upgrade_socket)];
    let kept = kept.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?)));
    let sockets = settings.bind.iter().filter_map(|bind| match bind {
        Bind::Unix(path) => Some(("bind", path.as_path())),
        Bind::Tcp(_) => None,
    });
    kept.chain(sockets).filter_map(|(key, path)| doubt(key, path)).collect()
}

fn doubt(key: &'static str, path: &Path) -> Option<Doubt> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return None,
    };
    let is_other = fs::metadata(folder).is_ok_and(|it| !it.is_dir());
    let fault = match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if !is_other => return None,
        Err(Errno::NOENT) => "is not there".to_owned(),
        Err(Errno::ROFS) => "is on a file system that is read-only".to_owned(),
        Err(Errno::ACCESS) if !is_other => "cannot be written by this user".to_owned(),
        Err(error) if !is_other => format!("cannot be used: {error}"),
        Ok(()) | Err(_) => "is no folder".to_owned(),
    };
    let text = format!("{key} = \"{}\": the folder {} {fault}", path.display(), folder.display());
    let hint = "the user that shardlane runs as has to write there: make the folder, or mount one; systemd makes those of \
                StateDirectory= and RuntimeDirectory= when it starts the service";
    Some(Doubt { key, text, hint: hint.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::{env, fs, process};

    use crate::config::load::load;

    #[test]
    fn a_folder_that_is_not_there_is_a_doubt_and_no_fault() {
        let folder = env::temp_dir().join(format!("shardlane-folders-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        let doubts = |key: &'static str, value: String| {
            let flags = [("contact_points", "db.example.com".to_owned()), (key, value)];
            let loaded = load(BTreeMap::from(flags), None, &|_| None);
            assert!(loaded.faults.is_empty(), "{:#?}", loaded.faults);
            loaded.doubts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let good = folder.join("state").display().to_string();
        let absent = folder.join("absent/state").display().to_string();
        let below_file = file.join("state").display().to_string();
        for (key, prefix) in [("state.file", ""), ("upgrade.socket", ""), ("bind", "unix:")] {
            assert_eq!(doubts(key, format!("{prefix}{good}")), [""; 0], "{key}");
            let found = doubts(key, format!("{prefix}{absent}"));
            assert_eq!(found.len(), 1, "{key}: {found:#?}");
            let start = format!("{key} = \"{absent}\": the folder ");
            assert!(
                found[0].starts_with(&start) && found[0].contains("/absent is not there"),
                "{found:#?}"
            );
            let found = doubts(key, format!("{prefix}{below_file}"));
            assert!(found.len() == 1 && found[0].contains("is no folder"), "{found:#?}");
        }
        assert_eq!(doubts("state.file", "state".to_owned()), [""; 0], "in the current folder");
        fs::remove_dir_all(&folder).unwrap();
    }
}
