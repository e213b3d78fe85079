//! Lock files that must keep up with the workspace's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// `make fuzz` builds with a lock file of its own, which must keep up: in `fuzz`, run
/// `cargo update --workspace`.
#[test]
fn the_fuzzer_is_locked_to_the_same_crates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| -> toml::Table {
        fs::read_to_string(root.join(path)).unwrap().parse().unwrap()
    };
    let versions = |path: &str| -> BTreeSet<(String, String)> {
        let lock = read(path);
        let packages = lock["package"].as_array().unwrap();
        let text = |package: &toml::Value, key: &str| package[key].as_str().unwrap().to_owned();
        packages.iter().map(|package| (text(package, "name"), text(package, "version"))).collect()
    };
    let (ours, fuzzers) = (versions("Cargo.lock"), versions("fuzz/Cargo.lock"));
    for (key, wanted) in read("Cargo.toml")["dependencies"].as_table().unwrap() {
        let name = wanted.get("package").and_then(toml::Value::as_str).unwrap_or(key);
        let of = |versions: &BTreeSet<(String, String)>| -> Vec<String> {
            let named = versions.iter().filter(|(known, _)| known == name);
            named.map(|(_, version)| version.clone()).collect()
        };
        assert!(!of(&fuzzers).is_empty(), "fuzz/Cargo.lock lacks {name}");
        for version in of(&fuzzers) {
            assert!(of(&ours).contains(&version), "fuzz/Cargo.lock has {name} {version}");
        }
    }
}
