//! `shardlane explain` against a simulated cluster, whose own layout is the judge.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output};

use shardlane::cli::simulated::demo::client::Client;
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
        let mut client = Client::connect(node).await.unwrap();
        for statement in STATEMENTS {
            client.query(statement).await.unwrap();
        }
    });
    sim
}

fn explain(node: SocketAddr, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().arg("explain").arg("--contact-points").arg(node.to_string());
    command.arg("--").args(args).output().unwrap()
}

fn told(node: SocketAddr, args: &[&str]) -> String {
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
fn judge(
    sim: &SimHandle,
    (keyspace, table): (&'static str, &'static str),
    token: i64,
) -> Vec<String> {
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
        let out = told(node, &[&[name.as_str()], keys].concat());
        assert_eq!(values(&out, "bytes"), [bytes], "{out}");
        let found: i64 = values(&out, "token")[0].parse().unwrap();
        assert_eq!(found, token.unwrap_or(found), "{out}");
        let expected = judge(&sim, table, found);
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
