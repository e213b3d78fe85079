//! `system.tablets` as clients read it.

use crate::cluster::cluster::Cluster;
use crate::like::Like;
use crate::node::probe::{Probe, cluster, create_table};
use cql::notation::{put_bytes, put_int, put_long_string, put_short};
use cql::opcode::Opcode;
use cql::response::rows::Rows;

/// The cells of all pages of a SELECT, read in pages of `size` rows.
fn pages(cluster: &mut Cluster, probe: &Probe, text: &str, size: i32) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut all = Vec::new();
    let mut state: Option<Vec<u8>> = None;
    loop {
        let mut body = Vec::new();
        put_long_string(&mut body, text);
        put_short(&mut body, 1);
        body.push(if state.is_some() { 0x0c } else { 0x04 });
        put_int(&mut body, size);
        if let Some(state) = &state {
            put_bytes(&mut body, Some(state));
        }
        let reply = probe.send(cluster, Opcode::Query, &body).ok();
        let rows = Rows::read(&reply.body).unwrap();
        let page = rows.rows().map(|row| {
            let row = row.unwrap();
            row.cells.iter().map(|cell| cell.map(<[u8]>::to_vec)).collect::<Vec<_>>()
        });
        let page: Vec<_> = page.collect();
        assert!(page.len() <= usize::try_from(size).unwrap());
        all.extend(page);
        state = rows.metadata.paging_state.map(<[u8]>::to_vec);
        if state.is_none() {
            return all;
        }
    }
}

#[test]
fn the_tablets_of_a_table_are_read_in_pages() {
    for like in [Like::V6_2, Like::V2026_3] {
        let mut cluster = cluster(|options| options.like = like);
        create_table(&mut cluster, 2, 8);
        let probe = Probe::ready(&mut cluster, 1, 0);
        let text = "SELECT last_token, replicas, table_name, tablet_count, new_replicas, stage \
                    FROM system.tablets";
        let rows = pages(&mut cluster, &probe, text, 3);
        let tablets = cluster.tablets("ks", "t").unwrap().all().to_vec();
        assert_eq!(rows.len(), 8);
        for (row, tablet) in rows.iter().zip(&tablets) {
            assert_eq!(row[0].as_deref(), Some(&tablet.last.to_be_bytes()[..]));
            let mut replicas = Vec::new();
            put_int(&mut replicas, 2);
            for (node, shard) in &tablet.replicas {
                put_int(&mut replicas, 28);
                put_bytes(&mut replicas, Some(&cluster.members[*node].host_id));
                put_bytes(&mut replicas, Some(&i32::from(*shard).to_be_bytes()));
            }
            assert_eq!(row[1].as_deref(), Some(replicas.as_slice()));
            assert_eq!(row[2].as_deref(), Some(&b"t"[..]));
            assert_eq!(row[3].as_deref(), Some(&[0, 0, 0, 8][..]));
            assert_eq!((&row[4], &row[5]), (&None, &None));
        }
    }
}

#[test]
fn a_tablet_on_its_way_shows_where_it_goes() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 1);
    let probe = Probe::ready(&mut cluster, 1, 0);
    let text = "SELECT replicas, new_replicas, stage, transition FROM system.tablets";
    let from = cluster.tablets("ks", "t").unwrap().all()[0].replicas[0];
    let to = ((from.0 + 1) % 3, from.1);
    cluster.begin_move("ks", "t", 0, from, to).unwrap();
    let moving = pages(&mut cluster, &probe, text, 3).remove(0);
    assert_eq!(moving[2].as_deref(), Some(&b"streaming"[..]));
    assert_eq!(moving[3].as_deref(), Some(&b"migration"[..]));
    cluster.end_moves("ks", "t").unwrap();
    let there = pages(&mut cluster, &probe, text, 3).remove(0);
    assert_eq!((&there[0], &there[1..]), (&moving[1], &[None, None, None][..]));
    assert_ne!(there[0], moving[0]);
}

/// The columns that both server lines have, as captured from them.
#[test]
fn each_server_line_has_its_own_columns() {
    let old = "table_id last_token keyspace_name resize_seq_number resize_type table_name \
               tablet_count new_replicas replicas session stage transition";
    let new = "table_id last_token base_table isolated_tablet_for_merge keyspace_name \
               repair_scheduler_config resize_seq_number resize_task_info resize_type \
               selected_tablets_for_merge table_name tablet_count target_pow2_tablet_count \
               migration_task_info new_replicas raft_group_id repair_incremental_mode \
               repair_task_info repair_time replicas session snapshot_name sstables_repaired_at \
               stage transition";
    for (like, names) in [(Like::V6_2, old), (Like::V2026_3, new)] {
        let mut cluster = cluster(|options| options.like = like);
        let probe = Probe::ready(&mut cluster, 0, 0);
        let reply = probe.query(&mut cluster, "SELECT * FROM system.tablets").ok();
        let rows = Rows::read(&reply.body).unwrap();
        let found: Vec<&str> = rows.metadata.columns.iter().map(|column| column.name).collect();
        assert_eq!(found, names.split_whitespace().collect::<Vec<_>>());
    }
}

#[test]
fn a_co_located_table_is_one_row_that_names_its_base() {
    let mut cluster = cluster(|_| {});
    create_table(&mut cluster, 1, 2);
    let probe = Probe::ready(&mut cluster, 0, 0);
    probe.query(&mut cluster, "INSERT INTO ks.t (pk) VALUES (1) IF NOT EXISTS").ok();
    let text = "SELECT table_name, base_table, last_token, tablet_count FROM system.tablets";
    let rows = pages(&mut cluster, &probe, text, 100);
    assert_eq!(rows.len(), 3);
    let base = cluster.tablets("ks", "t").unwrap().table_id.to_vec();
    let wanted = vec![Some(b"t$paxos".to_vec()), Some(base), None, None];
    assert_eq!(rows.iter().filter(|row| **row == wanted).count(), 1);
}

#[test]
fn only_superusers_and_roles_with_a_grant_read_the_tablets() {
    let users = vec![("root".to_owned(), "pw".to_owned())];
    let mut cluster = cluster(|options| options.users = users);
    cluster.roles.create("bob", "pw", false);
    let root = Probe::log_in(&mut cluster, "root", "pw");
    let bob = Probe::log_in(&mut cluster, "bob", "pw");
    let read =
        |cluster: &mut Cluster, probe: &Probe| probe.query(cluster, "SELECT * FROM system.tablets");
    read(&mut cluster, &root).ok();
    let text = "User bob has no SELECT permission on <table system.tablets> or any of its parents";
    assert_eq!(read(&mut cluster, &bob).error(), (0x2100, text.to_owned()));
    let grant = "GRANT SELECT ON system.tablets TO bob";
    let own = bob.query(&mut cluster, grant).error();
    assert_eq!(own.0, 0x2100);
    root.query(&mut cluster, grant).ok();
    read(&mut cluster, &bob).ok();
    root.query(&mut cluster, "REVOKE SELECT ON TABLE system.tablets FROM bob").ok();
    assert_eq!(read(&mut cluster, &bob).error().0, 0x2100);
    let unknown = root.query(&mut cluster, "GRANT SELECT ON system.tablets TO nosuch").error();
    assert_eq!(unknown, (0x2200, "Role nosuch doesn't exist.".to_owned()));
}
