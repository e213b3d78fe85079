//! The files of Rust code below a folder, and what of them is product.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file below `folder`, but for what was built or installed there.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_made = |path: &PathBuf| path.ends_with("target") || path.ends_with("node_modules");
    entries
        .filter(|path| !is_made(path) && !path.is_symlink())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// Every `.rs` file below `folder`, but for what was built there.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    files(folder).into_iter().filter(is_rust).collect()
}

/// The lines of code of `text` with their numbers: no comments, and nothing from the file's own tests on.
pub(crate) fn product(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let numbered = product.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}
