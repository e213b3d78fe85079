//! Each bug of `tests/mutants` must still be plantable: its text stands in its file exactly once.

use std::collections::BTreeMap;
use std::fs;

#[test]
fn every_mutant_still_applies() {
    let mut count = 0;
    for entry in fs::read_dir("tests/mutants").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mutant: BTreeMap<String, String> = toml::from_str(&text).unwrap();
        let source = fs::read_to_string(&mutant["file"]).unwrap();
        let found = source.matches(mutant["find"].as_str()).count();
        assert_eq!(found, 1, "{}: {} in {}", path.display(), mutant["find"], mutant["file"]);
        assert_ne!(mutant["find"], mutant["replace"], "{}", path.display());
        count += 1;
    }
    assert!(count >= 12, "only {count} mutants");
}
