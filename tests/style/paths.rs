//! Documents name files of the sources; each of them must exist.

use std::fs;
use std::path::Path;

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

/// Whether a word in code font is the path of one file or folder, and no pattern or command.
fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    ROOTS.iter().any(|root| word.starts_with(root))
        && word.chars().all(plain)
        && !word.contains("...")
}
