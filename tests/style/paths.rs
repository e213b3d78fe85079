//! Documents name files of the sources, and each of them must exist; scripts must be executable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::sources::files;

/// Folders whose files are named by their whole path.
const ROOTS: [&str; 7] =
    ["src/", "crates/", "tests/", "deploy/", "benches/", "fuzz/targets/", "examples/"];

#[test]
fn every_file_that_a_document_names_exists() {
    let pages = ["ARCHITECTURE.md", "HACKING.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"];
    let of_docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let of_docs = of_docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut named = 0;
    let mut faults = Vec::new();
    for page in pages.iter().map(|page| Path::new(page).to_owned()).chain(of_docs) {
        let text = fs::read_to_string(&page).unwrap();
        for word in text.split('`').skip(1).step_by(2).filter(|word| is_path(word)) {
            named += 1;
            if !Path::new(word).exists() {
                faults.push(format!("{}: {word}", page.display()));
            }
        }
    }
    assert!(named > 60, "only {named} paths were found: has the documents' form changed?");
    assert!(faults.is_empty(), "no such file:\n{}", faults.join("\n"));
}

/// `make` and readers start them by their path.
#[test]
fn every_file_with_an_interpreter_can_be_started() {
    let roots = [".ci", "benches", "crates", "deploy", "fuzz", "tests"];
    let all = roots.iter().flat_map(|root| files(Path::new(root)));
    let scripts: Vec<_> = all.filter(|path| fs::read(path).unwrap().starts_with(b"#!")).collect();
    assert!(scripts.len() > 20, "only {} scripts were found", scripts.len());
    let is_startable = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0;
    let faults: Vec<_> = scripts.iter().filter(|path| !is_startable(path)).collect();
    assert!(faults.is_empty(), "begin with #! and are not executable: {faults:?}");
}

/// Whether a word in code font is the path of one file or folder, and no pattern or command.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    ROOTS.iter().any(|root| word.starts_with(root))
        && word.chars().all(plain)
        && !word.contains("...")
}
