//! From system tables to snapshots.

use std::collections::BTreeMap;

use super::*;
use crate::control::tables::metadata::KeyspaceRow;
use cql::token::token::Token;

#[test]
fn the_first_node_gives_the_data_center_unless_one_is_set() {
    let mut publisher = Publisher::new(None);
    let first = publish(&mut publisher, &metadata(&[1, 2]));
    assert_eq!(&*first.data_center, "dc1");
    let mut moved = metadata(&[2, 1]);
    moved.hosts[0].data_center = "dc2".into();
    assert_eq!(&*publish(&mut publisher, &moved).data_center, "dc1");

    let mut publisher = Publisher::new(Some("dc9"));
    assert_eq!(&*publish(&mut publisher, &metadata(&[1])).data_center, "dc9");
}

#[test]
fn data_center_and_rack_stay_when_a_node_of_another_data_center_is_watched() {
    let far = || {
        let mut far = metadata(&[3, 1]);
        (far.hosts[0].data_center, far.hosts[0].rack) = ("dc2".into(), "far".into());
        far
    };
    let place =
        |published: &Publication| (published.data_center.to_string(), published.rack.to_string());
    let mut publisher = Publisher::new(None);
    let first = place(&publish(&mut publisher, &metadata(&[1, 2])));
    let moved = publish(&mut publisher, &far());
    assert_eq!(place(&moved), first);

    // Where the data center is set, a far node that answers first gives no rack to it.
    let mut publisher = Publisher::new(Some("dc1"));
    let published = publish(&mut publisher, &far());
    assert_eq!(place(&published), first);
    let mut alone = far();
    alone.hosts.truncate(1);
    let mut publisher = Publisher::new(Some("dc1"));
    assert_eq!(&*publish(&mut publisher, &alone).rack, "far");
    assert_eq!(place(&publish(&mut publisher, &metadata(&[1]))), first, "found later");

    let mut publisher = Publisher::new(None).in_rack(Some("mine"));
    assert_eq!(&*publish(&mut publisher, &metadata(&[1])).rack, "mine");
}

#[test]
fn a_process_stays_where_clients_saw_the_one_before() {
    let mut far = metadata(&[3, 1]);
    (far.hosts[0].data_center, far.hosts[0].rack) = ("dc2".into(), "far".into());
    let before = StateHeader {
        hosts: vec![HostId([1; 16]), HostId([2; 16])],
        data_center: "dc1".into(),
        rack: "r1".into(),
        ..StateHeader::default()
    };
    let place = |set: Option<&str>, before: &StateHeader| {
        let mut publisher = Publisher::new(set).after(Some(before.clone()));
        let published = publish(&mut publisher, &far);
        (published.data_center.to_string(), published.rack.to_string())
    };
    let near = ("dc1".to_owned(), "r1".to_owned());
    let moved = ("dc2".to_owned(), "far".to_owned());
    assert_eq!(place(None, &before), near, "a node of another data center answered first");
    assert_eq!(place(Some("dc2"), &before), moved, "a setting counts more");
    let other_cluster = StateHeader { cluster: "other".into(), ..before.clone() };
    assert_eq!(place(None, &other_cluster), moved);
    let other_hosts = StateHeader { hosts: vec![HostId([9; 16])], ..before.clone() };
    assert_eq!(place(None, &other_hosts), moved);
    let gone = StateHeader { data_center: "dc3".into(), ..before.clone() };
    assert_eq!(place(None, &gone), moved, "no node is left there");
    let other_rack = StateHeader { rack: "r9".into(), ..before };
    assert_eq!(place(None, &other_rack), near, "the rack is gone, the data center is not");
}

#[test]
fn an_unchanged_picture_is_not_published() {
    let mut publisher = Publisher::new(None);
    let first = publish(&mut publisher, &metadata(&[1, 2]));
    assert!(publisher.on_metadata(metadata(&[1, 2]), contact(), false).is_none());

    let again = publisher.on_metadata(metadata(&[1, 2]), contact(), true).unwrap();
    assert!(again.dial_all_now);
    assert!(Arc::ptr_eq(&again.snapshot, &first.snapshot));

    let mut other_words = metadata(&[1, 2]);
    other_words.tables.local_row = vec![Some(vec![7])];
    let words = publish(&mut publisher, &other_words);
    assert!(Arc::ptr_eq(&words.snapshot, &first.snapshot));
    assert_eq!(words.tables.local_row, [Some(vec![7])]);
}

#[test]
fn the_same_cluster_seen_from_another_node_is_the_same_snapshot() {
    let mut publisher = Publisher::new(None);
    let first = publish(&mut publisher, &metadata(&[1, 2, 3]));
    let again = publisher.on_metadata(metadata(&[3, 1, 2]), contact(), true).unwrap();
    assert!(Arc::ptr_eq(&again.snapshot, &first.snapshot));
}

#[test]
fn a_node_keeps_its_number_while_others_come_and_go() {
    let mut publisher = Publisher::new(None);
    let first = publish(&mut publisher, &metadata(&[1, 2, 3]));
    let second = publish(&mut publisher, &metadata(&[3, 4]));
    let number = |publication: &Publication, host| publication.snapshot.number_of(host);
    assert_eq!(number(&first, HostId([3; 16])), number(&second, HostId([3; 16])));
    assert_eq!(number(&second, HostId([4; 16])), Some(NodeId(3)));
    assert_eq!(number(&second, HostId([1; 16])), None);
    assert!(second.snapshot.version() > first.snapshot.version());
}

#[test]
fn a_node_alone_is_dialled_where_it_answered() {
    let mut publisher = Publisher::new(None);
    let alone = publish(&mut publisher, &metadata(&[1]));
    assert_eq!(alone.snapshot.nodes()[0].address, contact().ip());
    assert_eq!(alone.snapshot.nodes()[0].port, contact().port());

    let both = publish(&mut publisher, &metadata(&[1, 2]));
    assert_eq!(both.snapshot.nodes()[0].address, ip(1));
}

#[test]
fn a_node_that_tells_no_address_is_dialled_where_it_answered() {
    let mut publisher = Publisher::new(None);
    let mut silent = metadata(&[1, 2]);
    silent.hosts[0].address = None;
    let found = publish(&mut publisher, &silent);
    assert_eq!(found.snapshot.nodes()[0].address, contact().ip());
}

#[test]
fn nodes_that_are_down_are_marked_and_kept() {
    let mut publisher = Publisher::new(None);
    publish(&mut publisher, &metadata(&[1, 2]));
    publisher.on_status(ip(2), false);
    publisher.on_status(ip(9), false);
    let is_down = |publisher: &Publisher| [0, 1, 2].map(|node| publisher.is_down(NodeId(node)));
    assert_eq!(is_down(&publisher), [false, true, false]);
    let grown = publish(&mut publisher, &metadata(&[1, 2, 3]));
    assert_eq!((grown.snapshot.nodes().len(), is_down(&publisher)), (3, [false, true, false]));
    publisher.on_status(ip(2), true);
    assert_eq!(is_down(&publisher), [false; 3]);
}

#[test]
fn keyspaces_with_tablets_have_no_ring() {
    let mut publisher = Publisher::new(None);
    let mut both = metadata(&[1]);
    let simple = vec![
        ("class".to_owned(), "SimpleStrategy".to_owned()),
        ("replication_factor".to_owned(), "1".to_owned()),
    ];
    let row = |tablets| KeyspaceRow {
        replication: simple.clone(),
        tablets,
        partitioners: BTreeMap::new(),
    };
    both.keyspaces = [("ring".to_owned(), row(false)), ("tablets".to_owned(), row(true))].into();
    let snapshot = publish(&mut publisher, &both).snapshot;
    assert!(snapshot.keyspace("tablets").unwrap().tablets);
    assert!(!snapshot.keyspace("ring").unwrap().tablets);
}

fn publish(publisher: &mut Publisher, metadata: &ClusterMetadata) -> Publication {
    publisher.on_metadata(metadata.clone(), contact(), false).unwrap()
}

fn metadata(hosts: &[u8]) -> ClusterMetadata {
    let host = |number: &u8| HostRow {
        host: HostId([*number; 16]),
        address: Some(ip(*number)),
        data_center: "dc1".into(),
        rack: "r1".into(),
        release_version: None,
        schema_version: None,
        route: None,
        tokens: vec![Token::new(i64::from(*number))],
    };
    ClusterMetadata {
        hosts: hosts.iter().map(host).collect(),
        keyspaces: BTreeMap::new(),
        cluster_name: None,
        partitioner: None,
        left_out: Vec::new(),
        tables: ServerTables::default(),
    }
}

fn contact() -> SocketAddr {
    "192.0.2.1:9043".parse().unwrap()
}

fn ip(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}
