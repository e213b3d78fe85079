//! No files import each other in a circle.
//!
//! A circle is a strongly connected component of the imports between the files of one crate, outside tests. Between the
//! folders of `src/` there can be none, because each imports only from layers below its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::sources::{product, sources};

/// Roots of the crates, with the folder of each crate's modules.
const CRATES: &[&str] = &["src", "crates/cql/src", "crates/sim/src", "benches/road"];

#[test]
fn no_files_import_each_other_in_a_circle() {
    let found: Vec<Vec<String>> = CRATES.iter().flat_map(|root| circles(root)).collect();
    assert!(found.is_empty(), "files that import each other in a circle: {found:#?}");
}

#[test]
fn a_path_is_read_with_its_groups() {
    let code = "use crate::a::{b::C, d::{self, e}}; fn f(x: super::g::H) {}";
    let found = paths(code, &["m".to_owned(), "n".to_owned()]);
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b::C", "a::d::self", "a::d::e", "m::g::H"]);
}

/// The circles among the files of one crate; each sorted.
fn circles(root: &str) -> Vec<Vec<String>> {
    let imports = imports(Path::new(root));
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|file| (file, reached_from(file, &imports))).collect();
    let mut found = BTreeSet::new();
    for (file, others) in &reached {
        let circle = others.iter().filter(|other| reached[**other].contains(*file));
        let circle: Vec<String> = circle.map(|file| (*file).clone()).collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// Every file that `file` imports, and those that these import, and so on.
fn reached_from<'a>(
    file: &'a String,
    imports: &'a BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut left = vec![file];
    while let Some(next) = left.pop() {
        for other in &imports[next] {
            if reached.insert(other) {
                left.push(other);
            }
        }
    }
    reached
}

/// Each file of a crate outside tests with the files that it imports.
fn imports(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut texts = BTreeMap::new();
    let mut test_modules: BTreeSet<String> = BTreeSet::from(["tests".to_owned()]);
    for path in sources(root) {
        let text = fs::read_to_string(&path).unwrap();
        for declared in text.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap();
            if let Some((_, name)) = line.split_once("mod ") {
                test_modules.insert(name.split(';').next().unwrap().to_owned());
            }
        }
        texts.insert(path, text);
    }
    let mut modules = BTreeMap::new();
    for (path, text) in &texts {
        let module = module(path.strip_prefix(root).unwrap());
        if !module.iter().any(|name| test_modules.contains(name)) {
            modules.insert(module, (path.to_str().unwrap().to_owned(), text));
        }
    }
    let mut imports = BTreeMap::new();
    for (module, (file, text)) in &modules {
        let code: Vec<&str> = product(text).map(|(_, line)| line).collect();
        let targets = paths(&code.join("\n"), module).into_iter();
        let files = targets.filter_map(|path| {
            let known = (0..=path.len()).rev().find_map(|len| modules.get(&path[..len]));
            known.map(|(other, _)| other.clone())
        });
        imports.insert(file.clone(), files.filter(|other| other != file).collect());
    }
    imports
}

/// `a/b.rs` → `[a, b]`; `a/mod.rs` → `[a]`; the root of the crate → `[]`.
fn module(inside: &Path) -> Vec<String> {
    let inside = inside.with_extension("");
    let mut names: Vec<String> =
        inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// Every path in `code` that begins with `crate::` or `super::`, from the crate's root on, groups spelled out.
fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let parent = &module[..module.len().saturating_sub(1)];
    for (word, base) in [("crate::", &[][..]), ("super::", parent)] {
        for rest in code.split(word).skip(1) {
            read_path(rest, base.to_vec(), &mut found);
        }
    }
    found
}

/// Reads the path or the group of paths at the start of `text`, each below `base`; returns what follows.
fn read_path<'a>(text: &'a str, mut base: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut text = text.trim_start();
    loop {
        if let Some(mut group) = text.strip_prefix('{') {
            loop {
                group = group.trim_start();
                if let Some(rest) = group.strip_prefix('}') {
                    return rest;
                }
                group = read_path(group, base.clone(), found).trim_start();
                let Some(rest) = group.strip_prefix(',') else {
                    return group.strip_prefix('}').unwrap_or(group);
                };
                group = rest;
            }
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        base.push(text[..end].to_owned());
        text = &text[end..];
        let Some(rest) = text.strip_prefix("::") else {
            found.push(base);
            return text;
        };
        text = rest;
    }
}
