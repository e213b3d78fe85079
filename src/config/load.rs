//! From flags, environment and file to settings, with every fault on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::agreement;
use crate::config::error::{ConfigError, Doubt, Faults};
use crate::config::file;
use crate::config::origin::{Environment, FilePosition, Layers};
use crate::config::reader::{SettingEntry, SettingsReader};
use crate::config::settings::Settings;
use crate::config::variables::CONFIG_VARIABLE;
use crate::platform::bounded_file;
use crate::pool::refill::lane_slots::WantedLanes;

/// What came of reading a configuration.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings; a faulty one has its default.
    pub settings: Settings,
    /// Every setting, its value as written, and where that comes from.
    pub entries: Vec<SettingEntry>,
    /// The file's values by key, as written.
    pub file: BTreeMap<&'static str, (String, FilePosition)>,
    /// The file as it was read; none when there is no file, or it cannot be read.
    pub text: Option<String>,
    /// Everything that is wrong.
    pub faults: Vec<ConfigError>,
    /// What is not wrong, but most likely a mistake.
    pub doubts: Vec<Doubt>,
}

impl Loaded {
    /// The settings, if nothing is wrong with them.
    pub(crate) fn accept(self) -> Result<Settings, Faults> {
        if self.faults.is_empty() {
            Ok(self.settings)
        } else {
            Err(Faults { faults: self.faults, doubts: Vec::new() })
        }
    }
}

/// Reads all layers. `flags` are by key; the file is the one that `path`, or else
/// `SHARDLANE_CONFIG`, names.
#[must_use]
pub(crate) fn load(
    flags: BTreeMap<&'static str, String>,
    path: Option<PathBuf>,
    environment: Environment<'_>,
) -> Loaded {
    let layers = Layers { flags, environment, file: BTreeMap::new() };
    let named = environment(CONFIG_VARIABLE).filter(|path| !path.is_empty());
    let Some(path) = path.or_else(|| named.map(PathBuf::from)) else {
        return load_layers(layers, FileState { is_whole: true, faults: Vec::new() });
    };
    match bounded_file::read_text(&path) {
        Ok(text) => Loaded { text: Some(text.clone()), ..load_text(layers, &text, &path) },
        Err(source) => {
            let faults = vec![ConfigError::Unreadable { path, source }];
            load_layers(layers, FileState { is_whole: false, faults })
        }
    }
}

/// Reads `layers` with the text of the file at `path`.
fn load_text(layers: Layers<'_>, text: &str, path: &Path) -> Loaded {
    let file = file::read(text, path);
    let state = FileState { is_whole: file.is_whole, faults: file.faults };
    load_layers(Layers { file: file.values, ..layers }, state)
}

/// Reads all layers, with these values in place of a file.
#[must_use]
pub(crate) fn load_values(
    flags: BTreeMap<&'static str, String>,
    environment: Environment<'_>,
    file: BTreeMap<&'static str, (String, FilePosition)>,
) -> Loaded {
    let layers = Layers { flags, environment, file };
    load_layers(layers, FileState { is_whole: true, faults: Vec::new() })
}

/// How the reading of the file went.
struct FileState {
    /// Whether all of it was understood.
    is_whole: bool,
    /// What is wrong with it.
    faults: Vec<ConfigError>,
}

fn load_layers(layers: Layers<'_>, FileState { is_whole, faults }: FileState) -> Loaded {
    let mut reader = SettingsReader::read(&layers, faults);
    let has_points = !reader.settings.contact_points.is_empty();
    // Otherwise they may be what was not understood.
    if !has_points && is_whole && !reader.is_faulty("contact_points") {
        let right = "give at least one node of the cluster, as host or host:port".to_owned();
        reader.faults.push(ConfigError::Missing { key: "contact_points", right });
    }
    settle(&mut reader.settings);
    agreement::check(&mut reader);
    let doubts = agreement::doubts(&reader);
    let SettingsReader { settings, entries, faults } = reader;
    Loaded { settings, entries, file: layers.file, text: None, faults, doubts }
}

/// Fills what follows from several settings.
fn settle(settings: &mut Settings) {
    let hosts = settings.contact_points.iter().map(|point| point.host.clone());
    settings.node_tls.known_names = hosts.collect();
    let (lanes, unused_us) = (&mut settings.dial.lanes, &mut settings.limits.lane_unused_us);
    match *lanes {
        // The only lane of a node always stays open.
        WantedLanes::One => *unused_us = 0,
        WantedLanes::EachShard if *unused_us > 0 => *lanes = WantedLanes::ShardsInUse,
        WantedLanes::EachShard | WantedLanes::ShardsInUse => {}
    }
}

#[cfg(test)]
mod tests;
