//! Traces, read as a driver reads them.

use crate::cluster::cluster::Cluster;
use crate::node::probe::{Probe, Reply, cluster, create_table};
use cql::notation::{put_long_string, put_short};
use cql::opcode::Opcode;
use cql::response::rows::Rows;

/// QUERY with the tracing flag.
fn traced(cluster: &mut Cluster, probe: &Probe, text: &str) -> Reply {
    let mut body = Vec::new();
    put_long_string(&mut body, text);
    put_short(&mut body, 1);
    body.push(0);
    probe.send_flagged(cluster, Opcode::Query, 0x02, &body).pop().unwrap()
}

/// The cells of a SELECT as texts; ints as numbers.
fn rows(cluster: &mut Cluster, probe: &Probe, text: &str) -> Vec<Vec<String>> {
    let reply = probe.query(cluster, text).ok();
    let rows = Rows::read(&reply.body).unwrap();
    let cell = |cell: &Option<&[u8]>| String::from_utf8_lossy(cell.unwrap()).into_owned();
    rows.rows().map(|row| row.unwrap().cells.iter().map(cell).collect()).collect()
}

#[test]
fn a_trace_shows_which_node_and_shard_served() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 1);
    let (node, shard) = cluster.tablets("ks", "t").unwrap().all()[0].replicas[0];
    let other = (node + 1) % 3;
    let probe = Probe::ready(&mut cluster, other, 1);
    let write = traced(&mut cluster, &probe, "INSERT INTO ks.t (pk, v) VALUES (1, 1)");
    let read = traced(&mut cluster, &probe, "SELECT v FROM ks.t WHERE pk = 1");
    assert_eq!((write.header.flags, read.header.flags), (0x02, 0x02));
    for reply in [write, read] {
        let id = uuid::Uuid::from_slice(&reply.body[..16]).unwrap();
        let session = format!("FROM system_traces.sessions WHERE session_id = {id}");
        let found = rows(&mut cluster, &probe, &format!("SELECT request {session}"));
        assert_eq!(found, [["Execute CQL3 query"]]);
        let found = rows(&mut cluster, &probe, &format!("SELECT duration, started_at {session}"));
        assert_eq!(found.len(), 1);
        let events =
            format!("SELECT thread, source FROM system_traces.events WHERE session_id = {id}");
        let found = rows(&mut cluster, &probe, &events);
        let address = |node: usize| cluster.members[node].address;
        let place = |node: usize, shard: u16| {
            let octets = match address(node) {
                std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            vec![format!("shard {shard}"), String::from_utf8_lossy(&octets).into_owned()]
        };
        assert!(found.contains(&place(node, shard)), "{found:?}");
        assert!(found.contains(&place(other, 1)), "{found:?}");
        assert!(found.iter().all(|it| *it == place(node, shard) || *it == place(other, 1)));
    }
}

#[test]
fn requests_that_ask_for_no_trace_leave_none() {
    let mut cluster = cluster(|_| {});
    let probe = Probe::ready(&mut cluster, 0, 0);
    let reply = probe.query(&mut cluster, "SELECT * FROM system.local").ok();
    assert_eq!(reply.header.flags, 0);
    assert!(rows(&mut cluster, &probe, "SELECT request FROM system_traces.sessions").is_empty());
    let refused = traced(&mut cluster, &probe, "SELECT * FROM nope.t");
    assert_eq!((refused.opcode(), refused.header.flags), (Opcode::Error, 0x02));
    assert_eq!(rows(&mut cluster, &probe, "SELECT request FROM system_traces.sessions").len(), 1);
}
