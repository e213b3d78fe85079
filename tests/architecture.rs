//! The rules of ARCHITECTURE.md that a machine can hold.
//!
//! They stand here, not in a script, so that `cargo test` alone tells whether the house is tidy.

#![allow(clippy::unwrap_used, reason = "a check that cannot run should fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/`, ground floor first. A folder imports only from floors below its own.
const FLOORS: &[&[&str]] = &[
    &["flow"],
    &["session", "topology"],
    &["routing", "upstream"],
    &["engine"],
    &["net", "telemetry"],
    &["admin", "control"],
    &["config"],
    &["server"],
    &["cli"],
];

/// Folders that may touch sockets, clocks, files or randomness; every other one is pure.
const SHELL: &[&str] = &["admin", "cli", "config", "control", "net", "server", "telemetry"];

/// The parts of the simulated cluster that put its nodes on real sockets.
const SIM_SHELL: &[&str] = &["listen", "http.rs"];

/// Crates beside the product, each with what it may import of ours: frames know nothing, the simulated cluster knows frames.
const CRATES: &[(&str, &[&str])] = &[("crates/cql", &[]), ("crates/sim", &["cql"])];

/// What a pure folder never says.
const IMPURE: &[&str] = &["tokio::", "std::net::Tcp", "std::fs", "std::env", "::now()", "rand::"];

/// Where there is code, with what tests and measures the product.
const CODE: &[&str] = &["src", "crates", "tests", "benches", "fuzz/src", "fuzz/targets"];

const LINES_MAX: usize = 400;

#[test]
fn folders_import_only_from_floors_below() {
    let name_end = |c: char| !c.is_alphanumeric() && c != '_';
    check("src", |folder, _, line| {
        let home = floor(folder)?;
        let mut names =
            line.split("crate::").skip(1).filter_map(|path| path.split(name_end).next());
        let above = names.find(|name| *name != folder && floor(name) >= Some(home))?;
        Some(format!("{folder}/ imports {above}/, which is not below it"))
    });
}

#[test]
fn pure_folders_do_no_io() {
    let impure = |folder: &str, shell: &[&str], line: &str| {
        let word = IMPURE.iter().find(|word| !shell.contains(&folder) && says(line, word))?;
        Some(format!("{folder}/ is pure, yet says `{word}`"))
    };
    check("src", |folder, _, line| impure(folder, SHELL, line));
    check("crates/cql/src", |folder, _, line| impure(folder, &[], line));
    check("crates/sim/src", |folder, _, line| impure(folder, SIM_SHELL, line));
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

/// A file in a circle can be neither understood nor moved alone.
#[test]
fn files_of_the_protocol_crate_import_each_other_in_no_circle() {
    let root = Path::new("crates/cql/src");
    let files = sources(root);
    let module = |path: &Path| {
        let inside = path.strip_prefix(root).unwrap().with_extension("");
        inside.to_str().unwrap().trim_end_matches("/mod").replace('/', "::")
    };
    let modules: BTreeSet<String> = files.iter().map(|path| module(path)).collect();
    let imports_of = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let paths = code.flat_map(|line| line.split("crate::").skip(1));
        let target = |path: &str| {
            let names = |name: &&String| path.strip_prefix(name.as_str()).is_some_and(ends_name);
            modules.iter().filter(names).max_by_key(|name| name.len()).cloned()
        };
        let own = module(path);
        let targets: BTreeSet<_> = paths.filter_map(target).filter(|name| *name != own).collect();
        (own, targets)
    };
    let mut left: BTreeMap<String, BTreeSet<String>> = files.iter().map(imports_of).collect();
    assert!(left.values().flatten().count() > files.len(), "imports are not found");
    // A file that imports none of those that are left is in no circle.
    let is_free =
        |left: &BTreeMap<_, _>, names: &BTreeSet<_>| !names.iter().any(|n| left.contains_key(n));
    while let Some(free) = left.iter().find(|(_, names)| is_free(&left, names)) {
        let free = free.0.clone();
        left.remove(&free);
    }
    assert!(left.is_empty(), "{left:#?}");
}

/// Whether `rest`, what follows a name in a path, shows that the name ends there.
fn ends_name(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
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

/// Runs `rule` on every line of code below `root` outside tests, and fails with all that it found.
fn check(root: &str, rule: impl Fn(&str, &Path, &str) -> Option<String>) {
    let mut found = Vec::new();
    for path in sources(Path::new(root)) {
        let inside = path.strip_prefix(root).unwrap();
        let folder = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let code = |line: &str| !line.trim_start().starts_with("//");
        for (number, line) in product.lines().enumerate().filter(|(_, line)| code(line)) {
            if let Some(fault) = rule(folder, &path, line) {
                found.push(format!("{}:{}: {fault}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Whether `line` says `word`, and not a longer word that ends with it (`Errand::` is no `rand::`).
fn says(line: &str, word: &str) -> bool {
    let is_whole =
        |at: usize| word.starts_with(':') || !line[..at].ends_with(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| is_whole(at))
}

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_built = |path: &PathBuf| path.ends_with("target");
    entries
        .filter(|path| !is_built(path))
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}
