//! What asks of the console, and what does not.

use cql::error_code::ErrorCode;

use super::super::*;

/// What a text asks of a client that sees the console.
fn shown(text: &str, keyspace: Option<&str>) -> StatementText {
    classify_for(text, Viewer { keyspace, sees_console: true })
}

#[test]
fn the_console_is_asked_by_full_names_or_from_within() {
    for (text, keyspace) in [
        ("SELECT * FROM shardlane.routing", None),
        ("select count(*) from \"shardlane\".ROUTING where reason = 'x' allow filtering", None),
        ("SELECT * FROM routing", Some("shardlane")),
        ("SELECT DISTINCT keyspace_name, table_name FROM shardlane.routing", None),
    ] {
        let StatementText::Local(select) = shown(text, keyspace) else { panic!("{text}") };
        assert_eq!(select.table, ConsoleTable::Routing.name());
        assert_eq!(classify(text, None), StatementText::Other, "there is no console: {text}");
    }
    for text in ["SELECT * FROM routing", "SELECT * FROM ks.routing", "SELECT shardlane FROM ks.t"]
    {
        assert_eq!(shown(text, Some("ks")), StatementText::Other, "{text}");
    }
}

#[test]
fn tables_that_the_console_lacks_are_refused_as_a_server_does() {
    let refused = |text: &str, keyspace| match shown(text, keyspace) {
        StatementText::Refused(why) => (why.code, why.text),
        other @ (StatementText::Local(_)
        | StatementText::Use(_)
        | StatementText::Described(_)
        | StatementText::Schema(_)
        | StatementText::Other) => panic!("{text}: {other:?}"),
    };
    let (code, why) = refused("SELECT * FROM shardlane.none", None);
    assert_eq!((code, why.as_str()), (ErrorCode::INVALID, "unconfigured table none"));
    let own = Some("shardlane");
    for (text, keyspace) in [
        ("INSERT INTO shardlane.lanes (id) VALUES (1)", None),
        ("UPDATE shardlane.lanes SET id = 1", None),
        ("DELETE id FROM shardlane.lanes WHERE id = 1", None),
        ("TRUNCATE shardlane.lanes", None),
        ("TRUNCATE TABLE lanes", own),
        ("DROP TABLE shardlane.lanes", None),
        ("ALTER TABLE lanes ADD x int", own),
        ("insert into lanes (id) values (1)", own),
    ] {
        let (code, why) = refused(text, keyspace);
        assert_eq!(code, ErrorCode::INVALID, "{text}");
        assert_eq!(why, "Modification is not supported by table shardlane.lanes", "{text}");
        assert_eq!(classify(text, keyspace), StatementText::Other, "there is no console: {text}");
    }
    let (code, why) = refused("SELECT sum(requests) FROM shardlane.lanes", None);
    assert_eq!(code, ErrorCode::INVALID);
    assert!(why.contains("does not understand"), "{why}");
    for text in ["INSERT INTO ks.lanes (id) VALUES (1)", "DROP KEYSPACE ks", "CREATE TABLE ks.t"] {
        assert_eq!(shown(text, None), StatementText::Other, "{text}");
    }
}

#[test]
fn questions_about_the_schema_are_answered_by_a_node_and_by_us() {
    for text in [
        "SELECT * FROM system_schema.keyspaces",
        "SELECT keyspace_name, table_name FROM system_schema.tables",
        "SELECT * FROM system_schema.columns WHERE keyspace_name = 'shardlane'",
        "DESCRIBE KEYSPACES",
        "desc tables",
    ] {
        assert!(matches!(shown(text, None), StatementText::Schema(_)), "{text}");
        assert_eq!(classify(text, None), StatementText::Other, "there is no console: {text}");
    }
    for text in [
        "SELECT * FROM system_schema.types",
        "SELECT count(*) FROM system_schema.tables",
        "SELECT JSON * FROM system_schema.tables",
        "SELECT * FROM system_schema.tables LIMIT 1",
        "DESCRIBE CLUSTER",
    ] {
        assert_eq!(shown(text, None), StatementText::Other, "{text}");
    }
}

#[test]
fn no_keyspace_takes_the_consoles_place() {
    for text in [
        "CREATE KEYSPACE shardlane WITH replication = {'class': 'SimpleStrategy'}",
        "create schema if not exists \"shardlane\" WITH replication = {}",
    ] {
        let StatementText::Refused(refusal) = shown(text, None) else { panic!("{text}") };
        assert!(refusal.text.contains("console.enabled"), "{}", refusal.text);
        assert_eq!(classify(text, None), StatementText::Other, "there is no console: {text}");
    }
    for text in
        ["CREATE KEYSPACE shardlane2 WITH replication = {}", "CREATE TABLE shardlane (k int)"]
    {
        assert_eq!(shown(text, None), StatementText::Other, "{text}");
    }
}
