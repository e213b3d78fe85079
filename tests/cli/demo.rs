//! The demo as a program sees it: one line of JSON, and numbers that the nodes vouch for.

use std::process::{Command, Output};

use serde_json::Value;

const TABLETS: u64 = 64;

fn demo(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().arg("demo").args(args).output().unwrap()
}

#[test]
fn the_summary_is_one_line_of_json_with_a_hit_rate_of_nearly_one() {
    let output = demo(&["--json", "--seconds", "6"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out.lines().count(), 1, "{out}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    let number = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("{name}: {out}"));
    assert_eq!(number("tablets_learned"), TABLETS, "{out}");
    assert_eq!(number("lanes"), 6, "{out}");
    assert!(summary["hit_rate_last"].as_f64().unwrap() >= 0.99, "{out}");
    // One tablet of four moves, and each of those is learned by a miss, unless chance meets its new
    // shard. All of them are read when the statement is first named; before, requests miss as well.
    assert!((TABLETS / 8..TABLETS * 4).contains(&number("misses")), "{out}");
    assert!(number("requests") > TABLETS * 4, "{out}");
    // With tablets read ahead a new table costs what is sent while they are read. Without, each
    // tablet costs one miss, unless chance meets its shard every time.
    let learned = number("cold_misses_learned");
    assert!((TABLETS * 7 / 8..TABLETS * 2).contains(&learned), "{out}");
    assert!(number("cold_misses_read_ahead") < learned / 2, "{out}");
    // One of six shards is the right one by chance.
    let share = |name: &str| summary[name].as_f64().unwrap_or_else(|| panic!("{name}: {out}"));
    assert!(share("text_hit_rate_route") >= 0.9, "{out}");
    assert!((0.05..0.5).contains(&share("text_hit_rate_off")), "{out}");
    assert!(number("added_p99_us") >= number("added_p50_us"), "{out}");
    assert!(number("rss_mib") > 0, "{out}");
}

#[test]
fn the_output_for_people_shows_progress_migration_and_end() {
    let output = demo(&["--nodes", "1", "--shards", "3", "--tablets", "8", "--seconds", "2"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let out = String::from_utf8(output.stdout).unwrap();
    let line = |start: &str| out.lines().position(|line| line.starts_with(start));
    let order = [
        "simulated",
        "2 tablets migrate",
        " 2/2 s",
        "hit rate",
        "new table",
        "texts",
        "added latency",
    ];
    let order = order.map(line);
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}: {out}");
    assert!(out.contains("8 of 8 learned; 2 were moved"), "{out}");
    assert_eq!(out.matches(" of 100 requests missed, 8 of 8 tablets known").count(), 2, "{out}");
    assert_eq!(out.matches(" of 100 reads with constant keys at the shard").count(), 2, "{out}");
}
