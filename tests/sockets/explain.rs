//! `shardlane explain` against a simulated cluster, whose own layout is the judge.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output};

use serde_json::{Value, json};
use shardlane::cli::simulated::demo::client::DemoClient;
use sim::{ClusterOptions, SimHandle, SimOptions};

const STATEMENTS: [&str; 7] = [
    "CREATE KEYSPACE t WITH replication = {'class': 'NetworkTopologyStrategy', \
     'replication_factor': 2} AND tablets = {'enabled': true, 'initial': 16}",
    "CREATE KEYSPACE r WITH replication = {'class': 'NetworkTopologyStrategy', \
     'replication_factor': 2} AND tablets = {'enabled': false}",
    "CREATE TABLE t.numbers (k int PRIMARY KEY, v int)",
    "CREATE TABLE t.pairs (b text, a int, c int, v int, PRIMARY KEY ((b, a), c))",
    "CREATE TABLE r.ids (k uuid PRIMARY KEY, v int)",
    "CREATE TABLE r.blobs (k blob PRIMARY KEY, v int)",
    "CREATE TABLE t.money (k decimal PRIMARY KEY, v int)",
];

/// A cluster of three nodes with two shards and the tables above.
fn cluster(third: u8) -> SimHandle {
    let cluster = ClusterOptions {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, third, 1)),
        port: 0,
        shard_aware_port: 0,
        ..ClusterOptions::default()
    };
    let sim = SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap();
    let node = sim.contact_points()[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = DemoClient::connect(node).await.unwrap();
        for statement in STATEMENTS {
            client.query(statement).await.unwrap();
        }
    });
    sim
}

fn explain(node: SocketAddr, args: &[&str]) -> Output {
    explain_with(node, &[], args)
}

fn explain_with(node: SocketAddr, flags: &[&str], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().arg("explain").arg("--contact-points").arg(node.to_string());
    command.args(flags).arg("--").args(args).output().unwrap()
}

/// What `explain --json` says of a statement of a client that uses the keyspace `t`.
fn statement(node: SocketAddr, text: &str) -> Value {
    let output = explain_with(node, &["--json", "--keyspace", "t"], &[text]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn explained(node: SocketAddr, args: &[&str]) -> String {
    let output = explain(node, args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The values of all lines with this name.
fn values<'a>(out: &'a str, name: &str) -> Vec<&'a str> {
    let lines = out.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(head, _)| *head == name).map(|(_, value)| value.trim()).collect()
}

/// Address and shard of each replica that the cluster itself names for a token, in its order.
fn judge(sim: &SimHandle, keyspace: &'static str, table: &'static str, token: i64) -> Vec<String> {
    let locate = move |cluster: &mut sim::Cluster, _| {
        let located = cluster.locate(keyspace, table, token).unwrap();
        let port = cluster.options.port;
        let place = |(node, shard): &(usize, u16)| {
            format!("{} shard {shard}", SocketAddr::new(cluster.members[*node].address, port))
        };
        located.replicas.iter().map(place).collect()
    };
    sim.with(locate).unwrap()
}

#[test]
fn keys_of_many_types_are_shown_with_token_and_replicas() {
    let sim = cluster(101);
    let node = sim.contact_points()[0];
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    // Tokens of the first and the last: the golden ones of crates/cql/src/token/partition_key.rs.
    let cases: [(_, &[&str], _, Option<i64>); 4] = [
        (("t", "numbers"), &["1"], "0x00000001", Some(-4_069_959_284_402_364_209)),
        (("r", "ids"), &[id], "0x00112233445566778899aabbccddeeff", None),
        (("r", "blobs"), &["0x00000001"], "0x00000001", Some(-4_069_959_284_402_364_209)),
        (("t", "pairs"), &["a", "-1"], "0x000161000004ffffffff00", Some(836_068_206_663_644_145)),
    ];
    for (table, keys, bytes, token) in cases {
        let name = format!("{}.{}", table.0, table.1);
        let out = explained(node, &[&[name.as_str()], keys].concat());
        assert_eq!(values(&out, "bytes"), [bytes], "{out}");
        let found: i64 = values(&out, "token")[0].parse().unwrap();
        assert_eq!(found, token.unwrap_or(found), "{out}");
        let expected = judge(&sim, table.0, table.1, found);
        assert_eq!(expected.len(), 2);
        let replicas = values(&out, "replica");
        assert_eq!(replicas.len(), 2, "{out}");
        for (replica, expected) in replicas.iter().zip(expected) {
            assert!(replica.starts_with(&format!("{expected} dc datacenter1 rack ")), "{out}");
        }
        assert_eq!(values(&out, "tablet").len(), usize::from(table.0 == "t"), "{out}");
        assert_eq!(values(&out, "ring").len(), usize::from(table.0 == "r"), "{out}");
    }
    sim.stop().unwrap();
}

#[test]
fn keys_that_fit_no_table_are_errors_with_a_reason() {
    let sim = cluster(102);
    let node = sim.contact_points()[0];
    let cases: [(&[&str], &str); 6] = [
        (
            &["t.pairs", "a"],
            "the partition key of t.pairs is (b text, a int): give 2 values, not 1",
        ),
        (&["t.numbers", "one"], "column k: 'one' is no int: write a whole number"),
        (&["t.money", "much"], "column k: 'much' is no decimal: write "),
        (&["t.missing", "1"], "there is no table t.missing"),
        (&["t.it's", "1"], "there is no table t.it's"),
        (&["missing.t", "1"], "there is no keyspace missing"),
    ];
    for (args, expected) in cases {
        let output = explain(node, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(expected), "{args:?}: {errors}");
    }
    sim.stop().unwrap();
}

#[test]
fn statements_are_shown_with_key_token_and_replicas() {
    let sim = cluster(103);
    let node = sim.contact_points()[0];
    let number = (("t", "numbers"), "0x00000001", -4_069_959_284_402_364_209);
    let pair = (("t", "pairs"), "0x000161000004ffffffff00", 836_068_206_663_644_145);
    let blob = (("r", "blobs"), "0x00000001", -4_069_959_284_402_364_209);
    let cases = [
        (number, "text_literal", "SELECT v FROM t.numbers WHERE k = 1"),
        (number, "text_literal", "update Numbers set v = 2 where k = 1"),
        (number, "text_in", "SELECT v FROM numbers WHERE k IN (1, 2)"),
        (pair, "text_literal", "INSERT INTO pairs (a, b, c, v) VALUES (-1, 'a', 7, 0)"),
        (pair, "text_literal", "DELETE FROM \"pairs\" WHERE c = 7 AND b = $$a$$ AND a = -1;"),
        (pair, "text_literal", r#"INSERT INTO t.pairs JSON '{"a": -1, "b": "a", "c": 7}'"#),
        (blob, "text_literal", "SELECT * FROM r.blobs WHERE k = 0x00000001"),
        (
            number,
            "text_literal",
            "BEGIN BATCH UPDATE t.pairs SET v = 1 WHERE a = uncertain() AND b = 'a' AND c = 1; \
             INSERT INTO t.numbers (k, v) VALUES (1, 1) APPLY BATCH",
        ),
    ];
    for ((table, bytes, token), reason, text) in cases {
        let found = statement(node, text);
        let routed = [&found["routed"], &found["reason"]];
        assert_eq!(routed, [&json!(true), &json!(reason)], "{text}: {found}");
        let named = [&found["keyspace"], &found["table"], &found["bytes"]];
        assert_eq!(named, [&json!(table.0), &json!(table.1), &json!(bytes)], "{text}: {found}");
        assert_eq!(found["token"], json!(token), "{text}");
        let replica = |replica: &Value| {
            format!("{} shard {}", replica["address"].as_str().unwrap(), replica["shard"])
        };
        let replicas = found["replicas"].as_array().unwrap();
        let replicas: Vec<String> = replicas.iter().map(replica).collect();
        assert_eq!(replicas, judge(&sim, table.0, table.1, token), "{text}");
        let (after, last) = (&found["range"]["after"], &found["range"]["last"]);
        assert!(after.as_i64().unwrap_or(i64::MIN) < token, "{found}");
        assert!(token <= last.as_i64().unwrap(), "{found}");
    }
    let text = "UPDATE numbers SET v = 2 WHERE k = 1 IF v = 1";
    assert_eq!(statement(node, text)["light_weight_transaction"], json!(true));
    let out = explained(node, &["SELECT v FROM t.pairs WHERE a = -1 AND b = 'it''s'"]);
    assert_eq!(values(&out, "key"), ["text b = it's, int a = -1"], "{out}");
    assert_eq!(values(&out, "routed").len(), 1, "{out}");
    sim.stop().unwrap();
}

#[test]
fn statements_that_are_not_routed_are_shown_with_a_reason() {
    let sim = cluster(104);
    let node = sim.contact_points()[0];
    let found = statement(node, "SELECT v FROM numbers WHERE k = ?");
    assert_eq!([&found["routed"], &found["reason"]], [&json!(true), &json!("text_bound")]);
    assert_eq!(found["token"], json!(null), "it is bound by the client");
    let cases = [
        ("text_scan", "does not fix the whole partition key", "SELECT v FROM pairs WHERE a = 1"),
        ("text_unknown_table", "no such table", "SELECT v FROM missing WHERE a = 1"),
        ("unknown_keyspace", "no such keyspace", "SELECT v FROM missing.t WHERE a = 1"),
        ("local_table", "own rows", "SELECT key FROM system.scylla_local WHERE key = 'a'"),
        ("local", "shardlane itself", "SELECT key FROM system.local WHERE key = 'local'"),
        ("text_not_understood", "not given by constants", "DELETE FROM numbers WHERE k = f(1)"),
        (
            "text_not_understood",
            "constant 'x' of column k (int)",
            "DELETE FROM numbers WHERE k = 'x'",
        ),
        ("text_not_understood", "JSON", "INSERT INTO numbers JSON '{\"v\": 1}'"),
        ("text_not_understood", "column k (int)", "INSERT INTO numbers JSON '{\"k\": 1.5}'"),
        ("text", "neither reads nor writes", "CREATE TABLE t.more (k int PRIMARY KEY)"),
    ];
    for (reason, why, text) in cases {
        let found = statement(node, text);
        let routed = [&found["routed"], &found["reason"]];
        assert_eq!(routed, [&json!(false), &json!(reason)], "{text}: {found}");
        assert!(found["why"].as_str().unwrap().contains(why), "{text}: {found}");
        let place = [&found["token"], &found["bytes"], &found["replicas"]];
        assert_eq!(place, [&Value::Null, &Value::Null, &json!([])], "{text}: {found}");
    }
    let out = explained(node, &["SELECT v FROM numbers WHERE k = 1"]);
    assert!(values(&out, "routed")[0].contains("--keyspace"), "{out}");
    let output = explain(node, &["t.numbers"]);
    assert_eq!(output.status.code(), Some(2));
    sim.stop().unwrap();
}

#[test]
fn tables_that_are_answered_by_the_proxy_itself_are_shown_as_such() {
    let sim = cluster(105);
    let node = sim.contact_points()[0];
    let routed = ["no, local: no node: shardlane itself answers about this table"];
    for args in [
        &["system.local", "local"][..],
        &["SELECT release_version FROM system.local WHERE key = 'local'"],
        &["SELECT * FROM system.peers"],
        &["SELECT * FROM shardlane.routing WHERE reason = 'ring_replica'"],
        &["shardlane.lanes", "1"],
    ] {
        let out = explained(node, args);
        assert_eq!(values(&out, "routed"), routed, "{args:?}: {out}");
        assert!(values(&out, "ring").is_empty() && values(&out, "token").is_empty(), "{out}");
    }
    let mut without = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    without.env_clear().env("SHARDLANE_CONSOLE_ENABLED", "false");
    without.args(["explain", "--contact-points", &node.to_string()]);
    let output = without.arg("SELECT * FROM shardlane.routing").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(values(&out, "routed")[0].starts_with("no, unknown_keyspace: "), "{out}");
    sim.stop().unwrap();
}
