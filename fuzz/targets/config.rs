//! The configuration file: any text gives settings or faults, and good text no fault.

use std::path::Path;

use shardlane::config::settings::Settings;
use shardlane::config::{file, table};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = file::read(&text, Path::new("fuzz.toml"));
    for fault in &read.faults {
        let shown = fault.to_string();
        assert!(shown.contains("fuzz.toml, line "), "a fault without its place: {shown}");
    }
    let mut refused = false;
    let mut settings = Settings::default();
    for (key, (text, _)) in &read.values {
        let setting = table::find(key).expect("a value without its setting");
        if setting.read(text.trim(), &mut settings).is_ok() {
            let shown = setting.show(&mut settings);
            assert!(setting.read(&shown, &mut settings).is_ok(), "{key} refuses its own {shown}");
        } else {
            refused = true;
        }
    }
    // A number too large for TOML is refused by its setting's range.
    let is_toml = text.parse::<toml::Table>().is_ok();
    assert!(is_toml || refused || !read.faults.is_empty(), "no fault in what is no TOML");
}
