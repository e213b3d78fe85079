//! The program as a shell sees it: exit codes, and which stream says what.

#![allow(clippy::unwrap_used, reason = "a test that cannot run should fail loudly")]

use std::env;
use std::fs;
use std::process::{self, Command, Output};

fn shardlane(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_are_no_failure_and_go_to_stdout() {
    let version = shardlane(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), concat!("shardlane ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = shardlane(&["run", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--contact-points"));
}

#[test]
fn wrong_usage_is_code_2_and_goes_to_stderr() {
    for args in [&["run", "--no-such-flag"][..], &["sim", "--nodes", "many"], &["fly"], &[]] {
        let output = shardlane(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(text(&output.stderr).contains("--help"), "{args:?}");
    }
}

#[test]
fn a_faulty_configuration_is_code_2_with_every_fault() {
    let path = env::temp_dir().join(format!("shardlane-faulty-{}.toml", process::id()));
    fs::write(&path, "port = 0\nworkers = 'two'\n").unwrap();
    let outputs = ["check", "run"]
        .map(|command| shardlane(&[command, "--config", path.to_str().unwrap(), "--bind", "here"]));
    fs::remove_file(&path).unwrap();
    for output in outputs {
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        for part in ["3 faults", "port = \"0\"", "bind = \"here\"", "line 2, column 11"] {
            assert!(told.contains(part), "lacks {part}: {told}");
        }
    }
}

#[test]
fn a_sound_configuration_is_code_0() {
    let output = shardlane(&["check", "--contact-points", "db.example.com"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    assert!(text(&output.stdout).lines().any(|line| line.starts_with("limits.tablets_max ")));
}
