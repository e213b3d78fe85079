//! The layers of ARCHITECTURE.md: what a folder may import, and which folders are pure.
//!
//! These rules are a test, not a script, so that `cargo test` alone checks them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::sources::{product, sources};

/// What a folder may touch.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// No sockets, files, clocks or randomness.
    Pure,
    /// Everything.
    Shell,
}
use Kind::{Pure, Shell};

/// Folders of `src/`, lowest layer first. A folder imports only from layers below its own.
const LAYERS: &[(Kind, &[&str])] = &[
    (Pure, &["collections", "inject"]),
    (Pure, &["session", "topology"]),
    (Pure, &["facade"]),
    (Pure, &["routing", "upstream"]),
    (Pure, &["state"]),
    (Pure, &["engine"]),
    (Pure, &["pool"]),
    (Shell, &["platform", "telemetry"]),
    (Shell, &["sockets", "tls"]),
    (Shell, &["connect"]),
    (Shell, &["listen"]),
    (Shell, &["admin", "control", "webhook", "worker"]),
    (Shell, &["config"]),
    (Shell, &["server"]),
    (Shell, &["cli"]),
];

/// The parts of the simulated cluster that put its nodes on real sockets.
const SIM_SHELL: &[&str] = &["listen", "http.rs"];

/// Crates beside the product, each with what it may import of ours: frames know nothing, the simulated cluster knows frames.
const CRATES: &[(&str, &[&str])] = &[("crates/cql", &[]), ("crates/sim", &["cql"])];

/// What a pure folder never says.
const IMPURE: &[&str] = &["tokio::", "std::net::Tcp", "std::fs", "std::env", "::now()", "rand::"];

/// Where there is code, with what tests and measures the product.
const CODE: &[&str] =
    &["src", "crates", "examples", "tests", "benches", "fuzz/src", "fuzz/targets"];

/// From 400 lines on a file should be thought about (CONTRIBUTING.md); one whole idea may take some more.
const LINES_MAX: usize = 450;

#[test]
fn each_folder_of_src_is_in_one_layer() {
    let mut in_layers = BTreeSet::new();
    for folder in LAYERS.iter().flat_map(|(_, folders)| *folders) {
        assert!(in_layers.insert((*folder).to_owned()), "{folder} is in two layers");
    }
    let entries = fs::read_dir("src").unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let found: BTreeSet<_> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(found, in_layers, "folders of src/, and those of LAYERS");
}

#[test]
fn folders_import_only_from_layers_below() {
    let name_end = |c: char| !c.is_alphanumeric() && c != '_';
    check("src", |folder, line| {
        let home = layer(folder)?;
        let mut names =
            line.split("crate::").skip(1).filter_map(|path| path.split(name_end).next());
        let above = names.find(|name| *name != folder && layer(name) >= Some(home))?;
        Some(format!("{folder}/ imports {above}/, which is not below it"))
    });
}

#[test]
fn pure_folders_do_no_io() {
    let shell: Vec<&str> = LAYERS
        .iter()
        .filter(|(kind, _)| *kind == Shell)
        .flat_map(|(_, folders)| folders.iter().copied())
        .collect();
    let impure = |folder: &str, shell: &[&str], line: &str| {
        let word = IMPURE.iter().find(|word| !shell.contains(&folder) && says(line, word))?;
        Some(format!("{folder}/ is pure, yet says `{word}`"))
    };
    check("src", |folder, line| impure(folder, &shell, line));
    check("crates/cql/src", |folder, line| impure(folder, &[], line));
    check("crates/sim/src", |folder, line| impure(folder, SIM_SHELL, line));
}

#[test]
fn crates_know_only_the_crates_below_them() {
    for (name, below) in CRATES {
        let manifest = fs::read_to_string(Path::new(name).join("Cargo.toml")).unwrap();
        let ours =
            manifest.lines().filter_map(|line| line.split_once(" = { package = \"shardlane"));
        for (found, _) in ours {
            assert!(below.contains(&found), "{name} depends on {found}");
        }
        assert!(!manifest.contains("path = \"../..\""), "{name} depends on the product");
    }
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    for path in ["src", "crates"].iter().flat_map(|root| sources(Path::new(root))) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{}: no //! on line 1", path.display());
    }
    let mut long = Vec::new();
    for path in CODE.iter().flat_map(|folder| sources(Path::new(folder))) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > LINES_MAX {
            long.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

/// Runs `rule` on the folder and text of every line of code below `root` outside tests, and fails with all that it found.
fn check(root: &str, rule: impl Fn(&str, &str) -> Option<String>) {
    let mut found = Vec::new();
    for path in sources(Path::new(root)).into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let inside = path.strip_prefix(root).unwrap();
        let folder = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in product(&text) {
            if let Some(fault) = rule(folder, line) {
                found.push(format!("{}:{number}: {fault}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Whether `line` says `word`, and not a longer word that ends with it (`operand::` is no `rand::`).
fn says(line: &str, word: &str) -> bool {
    let is_whole =
        |at: usize| word.starts_with(':') || !line[..at].ends_with(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| is_whole(at))
}

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, folders)| folders.contains(&folder))
}
