//! `docs/lessons.md` names tests; each of them must exist, and no complaint may stand there without one or a reason.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/lessons.md";

/// What a row says instead of a test, followed by its reason.
const UNTESTED: &str = "not tested: ";

#[test]
fn every_lesson_names_a_test_that_exists_or_says_why_it_has_none() {
    let known = names_of_tests();
    let page = fs::read_to_string(PAGE).unwrap();
    let mut faults = Vec::new();
    let mut rows = 0;
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.contains("| Guarded")) {
        rows += 1;
        let guard = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        if guard.starts_with(UNTESTED) {
            continue;
        }
        let names: Vec<&str> = guard.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            faults.push(format!("neither a test nor `{UNTESTED}`: {line}"));
        }
        let missing = names.iter().filter(|name| !known.contains(**name));
        faults.extend(missing.map(|name| format!("no test is called {name}: {line}")));
    }
    assert!(rows > 40, "only {rows} rows found in {PAGE}: has its layout changed?");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Functions marked as tests in Rust and in the suite of deploy/, and as cases in the driver suite.
fn names_of_tests() -> HashSet<String> {
    let mut names = HashSet::new();
    for path in ["src", "crates", "tests"].iter().flat_map(|it| files(Path::new(it), "rs")) {
        let text = fs::read_to_string(path).unwrap();
        add_marked(&text, &["#[test]", "#[tokio::test"], "fn ", &mut names);
    }
    let matrix = fs::read_to_string("tests/drivers/matrix.py").unwrap();
    for path in files(Path::new("tests/drivers"), "py") {
        let text = fs::read_to_string(path).unwrap();
        add_marked(&text, &["@case"], "def ", &mut names);
        add_made(&text, &matrix, &mut names);
    }
    for path in files(Path::new("tests/deploy/checks"), "py") {
        let text = fs::read_to_string(path).unwrap();
        add_marked(&text, &["@test"], "def ", &mut names);
    }
    names
}

/// Adds the name of each function that follows one of `marks`, other attributes and comments in between.
fn add_marked(text: &str, marks: &[&str], keyword: &str, names: &mut HashSet<String>) {
    let mut marked = false;
    for line in text.lines().map(str::trim_start) {
        if marks.iter().any(|mark| line.starts_with(mark)) {
            marked = true;
        } else if let Some((_, rest)) = line.split_once(keyword).filter(|_| marked) {
            names.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            marked = false;
        }
    }
}

/// Adds the cases that a loop makes of one function: `name="prefix_" + _name`, for each `"name": (` of the file
/// and each `"name": Driver(` of the matrix.
fn add_made(text: &str, matrix: &str, names: &mut HashSet<String>) {
    for name in text.split("name=\"").skip(1) {
        let (prefix, rest) = name.split_once('"').unwrap();
        if !rest.starts_with(" + _name") {
            names.insert(prefix.to_owned());
            continue;
        }
        for (text, opening) in [(text, "\": ("), (matrix, "\": Driver(")] {
            let entries =
                text.lines().filter_map(|line| line.strip_prefix("    \"")?.split_once(opening));
            names.extend(entries.map(|(entry, _)| format!("{prefix}{entry}")));
        }
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|name| name == extension) {
            found.push(path);
        }
    }
    found
}
