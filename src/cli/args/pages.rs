//! Completions of shells and manual pages, as golden files that packages install.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::Cli;

/// Commands of the simulated cluster, which packages and the image do not hold.
const SIMULATED: [&str; 2] = ["demo", "sim"];

/// The command line of a package.
fn packaged() -> clap::Command {
    let whole = Cli::command();
    let about = whole.get_long_about().cloned().unwrap_or_default();
    let mut packaged = clap::Command::new("shardlane")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .long_about(about)
        .after_help(whole.get_after_help().cloned().unwrap_or_default())
        .subcommand_required(true);
    for command in whole.get_subcommands() {
        if !SIMULATED.contains(&command.get_name()) {
            packaged = packaged.subcommand(command.clone());
        }
    }
    packaged
}

/// Compares the files of `folder` with `wanted`; `SHARDLANE_GOLDEN=write` writes them instead.
fn compare(folder: &str, wanted: &BTreeMap<String, String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if env::var_os("SHARDLANE_GOLDEN").is_some_and(|value| value == "write") {
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in wanted {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let found: BTreeMap<String, String> =
        files.map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect();
    assert!(
        &found == wanted,
        "{} is stale: SHARDLANE_GOLDEN=write writes it anew",
        folder.display()
    );
}

#[test]
fn the_completions_are_those_of_the_arguments() {
    let shells = [
        (Shell::Bash, "shardlane.bash"),
        (Shell::Zsh, "_shardlane"),
        (Shell::Fish, "shardlane.fish"),
    ];
    let made = shells.map(|(shell, name)| {
        let mut text = Vec::new();
        generate(shell, &mut packaged(), "shardlane", &mut text);
        (name.to_owned(), String::from_utf8(text).unwrap())
    });
    compare("deploy/shell", &BTreeMap::from(made));
}

#[test]
fn the_manual_pages_are_those_of_the_arguments() {
    let mut packaged = packaged().disable_help_subcommand(true);
    packaged.build();
    let page = |command: clap::Command| {
        let mut text = Vec::new();
        Man::new(command).render(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let mut pages = BTreeMap::from([("shardlane.1".to_owned(), page(packaged.clone()))]);
    for command in packaged.get_subcommands() {
        let name = format!("shardlane-{}", command.get_name());
        let own = command.clone().name(name.clone()).version(env!("CARGO_PKG_VERSION"));
        pages.insert(format!("{name}.1"), page(own));
    }
    compare("deploy/man", &pages);
}
