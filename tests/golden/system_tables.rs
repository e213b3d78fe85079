//! The one node that a driver sees, beside the real one that it stands for.

use std::net::SocketAddr;

use cql::notation::Reader;
use cql::request::parameters::Parameters;
use cql::response::prepared::Prepared;
use cql::response::rows::Rows;
use shardlane::control::tables::server_tables::ServerTables;
use shardlane::facade::facade::Facade;
use shardlane::facade::tables::virtual_table::{LiveState, Viewpoint};
use shardlane::facade::text::select::Select;
use shardlane::facade::text::statement_text::{StatementText, classify};
use shardlane::listen::listener::Bind;
use shardlane::server::facade;
use shardlane::server::facade::{Front, Location};

use crate::{frame, rewrite, split};

/// The facade of the node whose `system.local` the frame holds.
fn facade_of(local: &str, peers: &str) -> Facade {
    let (local, peers) = (frame(local), frame(peers));
    let read = |frame| Rows::read(split(frame).1).unwrap();
    let (local, peers) = (read(&local), read(&peers));
    let front = Front::new(&[Bind::Tcp(SocketAddr::from(([127, 0, 0, 1], 9042)))], false);
    facade::of(&ServerTables::read(&local, &peers).unwrap(), Location::default(), &front).facade()
}

/// A process of which nothing is known.
struct Nothing;

impl LiveState for Nothing {
    fn schema_version(&self) -> Option<[u8; 16]> {
        None
    }
}

/// The answer to a statement without values, asked at `seen_at`.
fn answer(facade: &Facade, text: &str, seen_at: SocketAddr) -> Vec<u8> {
    let parameters = Parameters::read(&mut Reader::new(&[0, 1, 0])).unwrap();
    let mut out = Vec::new();
    let asked = Viewpoint { seen_at, live: &Nothing };
    facade.answer(&select(text), &parameters, &asked).unwrap().put(&mut out);
    out
}

fn select(text: &str) -> Select {
    let StatementText::Local(select) = classify(text, None) else { panic!("{text} is not local") };
    *select
}

#[test]
fn system_tables_are_answered_as_the_node_would() {
    let seen_at = SocketAddr::from(([127, 0, 0, 1], 9042));
    for (name, (local, peers), text) in [
        ("rows_json", ("rows_local_6", "rows_peers_6"), "SELECT JSON key FROM system.local"),
        ("rows_peers_2026", ("rows_local_2026", "rows_peers_2026"), "SELECT * FROM system.peers"),
    ] {
        let golden = frame(name);
        let answer = answer(&facade_of(local, peers), text, seen_at);
        assert_eq!(rewrite(&golden, |out| out.extend(answer)), golden, "{name}");
    }
}

#[test]
fn system_local_is_prepared_as_the_node_would() {
    let golden = frame("prepared_local");
    let (_, body) = split(&golden);
    let id = Prepared::read(4, body).unwrap().id.try_into().unwrap();
    let text = "SELECT key, schema_version, tokens FROM system.local WHERE key = ?";
    let facade = facade_of("rows_local_6", "rows_peers_6");

    let answer = facade.prepare(&select(text), id, 4).unwrap();

    assert_eq!(rewrite(&golden, |out| out.extend(answer)), golden);
}

#[test]
fn the_local_row_differs_from_the_nodes_only_where_it_must() {
    for (local, peers) in [("rows_local_6", "rows_peers_6"), ("rows_local_2026", "rows_peers_2026")]
    {
        let golden = frame(local);
        let real = Rows::read(split(&golden).1).unwrap();
        let seen_at = SocketAddr::from(([10, 9, 8, 7], 9042));
        let text = "SELECT * FROM system.local WHERE key='local'";
        let answer = answer(&facade_of(local, peers), text, seen_at);
        let ours = Rows::read(&answer).unwrap();

        assert_eq!(ours.metadata, real.metadata);
        let columns = real.metadata.columns.iter().map(|column| column.name);
        let (our_row, real_row) = (ours.rows().next().unwrap(), real.rows().next().unwrap());
        let cells = our_row.unwrap().cells.into_iter().zip(real_row.unwrap().cells);
        let cells = cells.map(|(ours, real)| ours == real);
        let differ: Vec<_> =
            columns.zip(cells).filter(|(_, same)| !same).map(|(name, _)| name).collect();
        let expected = ["broadcast_address", "host_id", "listen_address", "rpc_address", "tokens"];
        assert_eq!(differ, expected);
    }
}
