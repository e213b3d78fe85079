//! Paths and errors of the HTTP API, without a socket.

use super::*;
use crate::cluster::life::member::Failure;
use crate::node::probe::{cluster, create_table};

fn ask(cluster: &mut Cluster, method: &Method, address: &str) -> Page {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    route(cluster, Duration::ZERO, method, path, &Query::read(query))
}

fn table() -> Cluster {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 1);
    cluster
}

#[test]
fn a_tablet_moves_by_host_id_or_by_number() {
    let mut cluster = table();
    let tablets = ask(&mut cluster, &Method::GET, "/sim/tablets?ks=ks&table=t").unwrap();
    let replica = tablets["tablets"][0]["replicas"][0].clone();
    let (host, shard) = (replica["host_id"].as_str().unwrap(), &replica["shard"]);
    let to = (replica["node"].as_u64().unwrap() + 1) % 3;
    let address = format!(
        "/storage_service/tablets/move?ks=ks&table=t&src_host={host}&src_shard={shard}\
         &dst_host={to}&dst_shard=1&token=-5"
    );
    ask(&mut cluster, &Method::POST, &address).unwrap();
    let tablets = ask(&mut cluster, &Method::GET, "/sim/tablets?ks=ks&table=t").unwrap();
    assert_eq!(tablets["tablets"][0]["replicas"][0]["node"], to);
}

#[test]
fn errors_name_the_missing_parameter_or_unknown_path() {
    let mut cluster = table();
    let refusal = |cluster: &mut Cluster, method: Method, address: &str| {
        let (status, message) = ask(cluster, &method, address).unwrap_err();
        (status.as_u16(), message)
    };
    let split = refusal(&mut cluster, Method::POST, "/sim/tablets/split?ks=ks");
    assert_eq!(split, (400, "parameter table is missing".to_owned()));
    let unknown = refusal(&mut cluster, Method::POST, "/sim/tablets/split?ks=ks&table=x");
    assert_eq!(unknown, (400, "ks.x has no tablets".to_owned()));
    let node = refusal(&mut cluster, Method::POST, "/sim/nodes/9/stop");
    assert_eq!(node, (400, "there is no node 9".to_owned()));
    assert_eq!(refusal(&mut cluster, Method::GET, "/sim/nodes/1/stop").0, 404);
    assert_eq!(refusal(&mut cluster, Method::GET, "/nowhere").0, 404);
}

#[test]
fn nodes_report_their_state() {
    let mut cluster = table();
    ask(&mut cluster, &Method::POST, "/sim/nodes/1/kill").unwrap();
    let nodes = ask(&mut cluster, &Method::GET, "/sim/nodes").unwrap();
    let states: Vec<&str> =
        nodes["nodes"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["up", "killed", "up"]);
}

#[test]
fn escapes_are_undone() {
    let query = Query::read("ks=a%20b&table=%22T%22");
    assert_eq!(query.table().unwrap(), ("a b".to_owned(), "\"T\"".to_owned()));
}

#[test]
fn a_node_is_made_slow_and_normal_again() {
    let mut cluster = table();
    let post = |cluster: &mut Cluster, address: &str| ask(cluster, &Method::POST, address);
    post(&mut cluster, "/sim/nodes/1/strain?slow_ms=250&overloaded=true").unwrap();
    let strain = cluster.members[1].strain;
    assert_eq!((strain.slow, strain.is_overloaded), (Duration::from_millis(250), true));
    assert_eq!(cluster.members[0].strain, Strain::default());
    post(&mut cluster, "/sim/nodes/1/strain").unwrap();
    assert_eq!(cluster.members[1].strain, Strain::default());
    post(&mut cluster, "/sim/nodes/1/strain?error=read_timeout").unwrap();
    assert_eq!(cluster.members[1].strain.failure, Some(Failure::ReadTimeout));
    assert!(post(&mut cluster, "/sim/nodes/1/strain?error=bad_luck").is_err());
    assert!(post(&mut cluster, "/sim/nodes/9/strain").is_err());
    assert!(post(&mut cluster, "/sim/nodes/1/strain?slow_ms=many").is_err());
}

#[test]
fn every_path_of_the_documentation_is_there() {
    let page = include_str!("../../README.md");
    let spans = page.lines().filter(|line| line.starts_with("| `")).flat_map(|line| {
        let cell = line.split(" | ").next().unwrap();
        cell.split('`').filter(|text| text.starts_with("GET /") || text.starts_with("POST /"))
    });
    let mut count = 0;
    for span in spans {
        let (method, address) = span.split_once(' ').unwrap();
        let method = if method == "GET" { Method::GET } else { Method::POST };
        let address = address.replace("/N/", "/1/").replace("NAME", "bob");
        if let Err((status, message)) = ask(&mut table(), &method, &address) {
            assert_ne!(status, StatusCode::NOT_FOUND, "{span}: {message}");
        }
        count += 1;
    }
    assert!(count > 20, "{count}");
}
