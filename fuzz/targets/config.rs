//! The configuration file: any text gives settings or complaints, and good text no complaint.

use shardlane::config::file;

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = file::parse(&text);
    for complaint in &read.complaints {
        assert!(!complaint.trim().is_empty());
    }
    if read.complaints.is_empty() {
        assert!(text.parse::<toml::Table>().is_ok(), "no complaint about what is no TOML");
    }
}
