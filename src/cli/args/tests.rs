//! The help as golden files, and what the flags mean.

use std::env;
use std::fs;
use std::path::Path;

use clap::CommandFactory;

use super::*;
#[cfg(feature = "demo")]
use crate::cli::simulated::args::{Like, SimUser};

/// Compares with `tests/data/help/NAME.txt`; `SHARDLANE_GOLDEN=write` writes it instead.
fn compare(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/help");
    let path = folder.join(format!("{name}.txt"));
    if env::var_os("SHARDLANE_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, text, "{} is stale: SHARDLANE_GOLDEN=write writes it anew", path.display());
}

#[test]
fn the_help_is_what_was_agreed() {
    let mut names =
        vec!["run", "check", "doctor", "explain", "wait", "shutdown", "reload", "inject"];
    if cfg!(feature = "demo") {
        names.extend(["", "demo", "sim"]);
    }
    for name in names {
        let line = ["shardlane", name, "--help"].into_iter().filter(|part| !part.is_empty());
        let shown = Cli::command().term_width(100).try_get_matches_from(line).unwrap_err();
        compare(if name.is_empty() { "shardlane" } else { name }, &shown.to_string());
    }
}

#[test]
fn the_definitions_contradict_nothing() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_a_setting_reaches_it_by_its_key() {
    let flags: Vec<_> = table::all().filter(|setting| setting.flag.is_some()).collect();
    let words = flags.iter().flat_map(|setting| {
        [format!("--{}", setting.flag_name()), format!("value of {}", setting.key)]
    });
    let line = ["shardlane", "run", "--config", "j"].map(str::to_owned).into_iter().chain(words);
    let Command::Run(args) = Cli::try_parse_from(line).unwrap().command else {
        panic!("not run");
    };
    assert_eq!(args.config, Some(PathBuf::from("j")));
    assert_eq!(args.by_key.len(), flags.len());
    for setting in flags {
        assert_eq!(args.by_key[setting.key], format!("value of {}", setting.key));
    }
}

#[test]
fn a_flag_of_a_list_may_be_given_again() {
    let line = ["shardlane", "run", "-c", "a", "--bind", "b", "-c", "c,d", "--bind", "e"];
    let Command::Run(args) = Cli::try_parse_from(line).unwrap().command else {
        panic!("not run");
    };
    assert_eq!(
        args.by_key,
        BTreeMap::from([("bind", "b,e".into()), ("contact_points", "a,c,d".into())])
    );
    let twice = ["shardlane", "run", "--port", "1", "--port", "2"];
    assert_eq!(Cli::try_parse_from(twice).unwrap_err().exit_code(), 2);
}

#[cfg(feature = "demo")]
#[test]
fn the_simulated_cluster_takes_its_shape_from_flags() {
    let line = "shardlane sim --like 6.2 --nodes 4 --shard-aware-port 0 --user cassandra:a:b \
                --dc one,two --rack r1,r2 --api 127.0.0.1:10000 --address 127.0.40.1";
    let Command::Sim(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else {
        panic!("not sim");
    };
    let user = SimUser { name: "cassandra".to_owned(), password: "a:b".to_owned() };
    assert_eq!((args.like, args.nodes, args.shard_aware_port), (Like::V6_2, 4, 0));
    assert_eq!((args.dc.join(" "), args.user), ("one two".to_owned(), vec![user]));
    assert_eq!((args.shards, args.tablets, args.port), (2, 64, 9042));
}

fn subject(line: &[&str]) -> Result<ExplainSubject, WrongUsage> {
    let Command::Explain(args) =
        Cli::try_parse_from(["shardlane", "explain"].iter().chain(line)).unwrap().command
    else {
        panic!("not explain");
    };
    args.subject()
}

#[test]
fn a_key_and_a_statement_are_told_apart() {
    let key = |keyspace: &str, table: &str, value: &str| {
        let (keyspace, table) = (keyspace.to_owned(), table.to_owned());
        Ok(ExplainSubject::Key { keyspace, table, values: vec![value.to_owned()] })
    };
    assert_eq!(subject(&["ks.t", "1"]), key("ks", "t", "1"));
    assert_eq!(subject(&["--keyspace", "ks", "t", "a b"]), key("ks", "t", "a b"));
    assert_eq!(subject(&["--keyspace", "ks", "ks2.t", "1"]), key("ks2", "t", "1"));
    let text = "SELECT v FROM t WHERE k = 5";
    assert_eq!(subject(&[text]), Ok(ExplainSubject::Statement(text.to_owned())));
}

#[test]
fn arguments_of_explain_that_do_not_go_together_are_wrong_usage() {
    for (line, expected) in [
        (&["t", "1"][..], "give KEYSPACE.TABLE"),
        (&[".t", "1"], "give KEYSPACE.TABLE"),
        (&["ks.t"], "give the KEY"),
        (&["SELECT v FROM t WHERE k = 5", "5"], "give no KEY"),
    ] {
        let error = subject(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line:?}: {error}");
    }
}
