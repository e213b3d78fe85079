//! The settings of a process that runs, and what a new configuration changes in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::error::Faults;
use crate::config::load::{self, Loaded};
use crate::config::origin::{Environment, FilePosition};
use crate::config::reader::SettingEntry;
use crate::config::setting::Reload;
use crate::config::settings::Settings;
use crate::config::table;
use crate::config::variables::CONFIG_VARIABLE;

/// Where a process reads its settings, at its start and again later. Flags and variables of a
/// process never change; its file may.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    flags: BTreeMap<&'static str, String>,
    /// The variables that set something.
    variables: BTreeMap<String, String>,
    /// The file, if there is one.
    path: Option<PathBuf>,
}

/// The settings in force, and the file's values that they come from.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// The settings.
    pub settings: Settings,
    /// Every setting, its value as written, and where that comes from.
    pub entries: Vec<SettingEntry>,
    /// The file as it was read last.
    pub text: Option<String>,
    file: BTreeMap<&'static str, (String, FilePosition)>,
}

/// What a new configuration changes.
#[derive(Clone, Debug)]
pub(crate) struct Reloaded {
    /// What is in force from now on.
    pub running: Running,
    /// Keys of settings that have a new value.
    pub changed: Vec<&'static str>,
    /// Keys of settings whose new value waits for a restart.
    pub waiting: Vec<&'static str>,
}

impl Sources {
    /// Takes note of the flags, of the variables, and of the file that `path`, or else
    /// `SHARDLANE_CONFIG`, names.
    #[must_use]
    pub(crate) fn new(
        flags: BTreeMap<&'static str, String>,
        path: Option<PathBuf>,
        environment: Environment<'_>,
    ) -> Self {
        let named = environment(CONFIG_VARIABLE).filter(|path| !path.is_empty());
        let names = table::all().map(|setting| setting.variable());
        let variables = names.filter_map(|name| environment(&name).map(|value| (name, value)));
        Self {
            flags,
            variables: variables.collect(),
            path: path.or_else(|| named.map(PathBuf::from)),
        }
    }

    /// The file, if there is one.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Reads all layers.
    #[must_use]
    pub(crate) fn load(&self) -> Loaded {
        let variables = |name: &str| self.variables.get(name).cloned();
        load::load(self.flags.clone(), self.path.clone(), &variables)
    }

    /// Reads the file again for a process that runs by `running`. A setting that needs a restart
    /// keeps its value, wherever the file has another now. With any fault nothing changes.
    pub(crate) fn reload(&self, running: &Running) -> Result<Reloaded, Faults> {
        let wanted = Running::new(self.load())?;
        let mut file = wanted.file.clone();
        for setting in table::all().filter(|setting| setting.reload == Reload::Restart) {
            match running.file.get(setting.key) {
                Some(before) => file.insert(setting.key, before.clone()),
                None => file.remove(setting.key),
            };
        }
        let variables = |name: &str| self.variables.get(name).cloned();
        let kept = Running::new(load::load_values(self.flags.clone(), &variables, file))?;
        let kept = Running { text: wanted.text.clone(), ..kept };
        let changed = differences(&running.settings, &kept.settings);
        let waiting = differences(&kept.settings, &wanted.settings);
        Ok(Reloaded { running: kept, changed, waiting })
    }
}

impl Running {
    /// What was loaded, if nothing is wrong with it.
    pub(crate) fn new(loaded: Loaded) -> Result<Self, Faults> {
        let Loaded { settings, entries, file, text, faults, doubts: _ } = loaded;
        if faults.is_empty() {
            Ok(Self { settings, entries, text, file })
        } else {
            Err(Faults { faults, doubts: Vec::new() })
        }
    }
}

/// Keys of settings that have different values.
fn differences(one: &Settings, other: &Settings) -> Vec<&'static str> {
    let (mut one, mut other) = (one.clone(), other.clone());
    let differ = table::all().filter(|row| row.show(&mut one) != row.show(&mut other));
    differ.map(|row| row.key).collect()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::process;

    use super::*;

    struct TestFile(PathBuf);

    impl TestFile {
        fn new(name: &str) -> Self {
            Self(env::temp_dir().join(format!("shardlane-{name}-{}.toml", process::id())))
        }

        fn write(&self, text: &str) {
            fs::write(&self.0, text).unwrap();
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            fs::remove_file(&self.0).ok();
        }
    }

    fn sources(file: &TestFile, flags: &[(&'static str, &str)]) -> Sources {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Sources::new(flags, Some(file.0.clone()), &|_| None)
    }

    #[test]
    fn changeable_settings_change_and_the_others_wait_for_a_restart() {
        let file = TestFile::new("reload-changes");
        file.write("contact_points = [\"a\"]\nworkers = 1\n[limits]\nclients_max = 10\n");
        let sources = sources(&file, &[]);
        let running = Running::new(sources.load()).unwrap();
        file.write("contact_points = [\"a\"]\nworkers = 2\n[limits]\nclients_max = 20\n");
        let reloaded = sources.reload(&running).unwrap();
        assert_eq!(reloaded.changed, ["limits.clients_max"]);
        assert_eq!(reloaded.waiting, ["workers"]);
        let settings = &reloaded.running.settings;
        assert_eq!((settings.limits.clients_max, settings.workers), (20, 1));
        // What waits goes on waiting; what did not change is not named again.
        let again = sources.reload(&reloaded.running).unwrap();
        assert_eq!((again.changed, again.waiting), (vec![], vec!["workers"]));
        file.write("contact_points = [\"a\"]\n");
        let back = sources.reload(&reloaded.running).unwrap();
        assert_eq!(back.changed, ["limits.clients_max"]);
        assert_eq!(back.waiting, [""; 0]);
        assert_eq!(back.running.settings, Settings { workers: 1, ..running_default(&back) });
    }

    fn running_default(reloaded: &Reloaded) -> Settings {
        let mut settings = Settings::default();
        let of = &reloaded.running.settings;
        settings.contact_points.clone_from(&of.contact_points);
        settings.node_tls.known_names.clone_from(&of.node_tls.known_names);
        settings
    }

    #[test]
    fn a_faulty_file_changes_nothing_and_all_its_faults_are_named() {
        let file = TestFile::new("reload-faults");
        file.write("contact_points = [\"a\"]\n");
        let sources = sources(&file, &[]);
        let running = Running::new(sources.load()).unwrap();
        file.write("contact_points = [\"a\"]\n[limits]\nclients_max = \"many\"\nclient_max = 3\n");
        let faults = sources.reload(&running).unwrap_err();
        assert_eq!(faults.faults.len(), 2, "{faults}");
        fs::remove_file(&file.0).unwrap();
        let faults = sources.reload(&running).unwrap_err();
        assert!(faults.to_string().contains("cannot be read"), "{faults}");
    }

    #[test]
    fn a_flag_stays_stronger_than_a_new_file() {
        let file = TestFile::new("reload-flags");
        file.write("contact_points = [\"a\"]\n");
        let sources = sources(&file, &[("limits.clients_max", "7")]);
        let running = Running::new(sources.load()).unwrap();
        file.write("contact_points = [\"a\"]\n[limits]\nclients_max = 20\n");
        let reloaded = sources.reload(&running).unwrap();
        assert_eq!((reloaded.changed.len(), reloaded.waiting.len()), (0, 0));
        assert_eq!(reloaded.running.settings.limits.clients_max, 7);
    }
}
