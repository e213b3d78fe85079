//! Spellings that drivers send and servers accept.

mod console;

use proptest::prelude::*;

use super::*;
use crate::facade::tables::table_name::{LOCAL, PEERS, PEERS_V2};
use crate::facade::text::front::STEPS_MAX;
use crate::facade::text::lexer::READ_BYTES_MAX;
use crate::facade::text::literal::LocalLiteral;
use crate::facade::text::select::{
    Comparand, Limit, Marker, MarkerUse, Relation, Selector, SelectorSource,
};
use cql::error_code::ErrorCode;

fn local(text: &str) -> Select {
    let StatementText::Local(select) = classify(text, None) else { panic!("{text} is not local") };
    *select
}

fn used(text: &str) -> Option<String> {
    match classify(text, None) {
        StatementText::Use(name) => Some(name),
        StatementText::Other => None,
        other @ (StatementText::Local(_)
        | StatementText::Described(_)
        | StatementText::Schema(_)
        | StatementText::Refused(_)) => panic!("{text} is not USE: {other:?}"),
    }
}

#[test]
fn every_spelling_of_use_is_found() {
    for text in [
        "USE ks",
        "use KS",
        "UsE\tks;",
        "USE ks ; ;",
        "\r\n  USE\nks\n",
        "USE \"ks\"",
        "USE\"ks\"",
        "USE/**/ks",
        "/* a */ -- b\n // c\r USE ks",
        "--\nUSE ks;",
        "USE ks --",
        "USE ks // no line end",
        "USE ks; /* end */",
    ] {
        assert_eq!(used(text).as_deref(), Some("ks"), "{text}");
    }
}

#[test]
fn a_quoted_keyspace_keeps_its_case() {
    assert_eq!(used("USE \"MyKs\"").unwrap(), "MyKs");
    assert_eq!(used("USE MyKs").unwrap(), "myks");
    assert_eq!(used("USE \"a\"\"b\"").unwrap(), "a\"b");
}

#[test]
fn a_use_of_no_name_is_refused_by_a_node() {
    for text in [
        "USE",
        "USE ;",
        "USE ?",
        "USE ?;",
        "USE :ks",
        "USE 'ks'",
        "USE a.b",
        "USE ks x",
        "USE 1ks",
        "USE \"\"",
        "USE \"ks",
        "USE ks /* open",
        "USE ks\0",
        "\u{feff}USE ks",
    ] {
        assert_eq!(used(text), None, "{text}");
    }
}

#[test]
fn a_text_that_may_be_a_use_never_reaches_a_node() {
    let long = "/**/".repeat(READ_BYTES_MAX / 4);
    for text in [format!("USE {long} ks"), format!("USE ks {long}"), "USE ks --\r x".to_owned()] {
        let refused = StatementText::Refused(Refusal::more_than_use());
        assert_eq!(classify(&text, None), refused, "{}", text.len());
    }
    let many = "/**/".repeat(2 * STEPS_MAX);
    for text in [format!("{many}USE ks"), format!("{many}SELECT"), many] {
        let refused = StatementText::Refused(Refusal::no_verb());
        assert_eq!(classify(&text, None), refused, "{}", text.len());
    }
}

#[test]
fn what_stands_before_a_statement_changes_nothing_however_long_it_is() {
    let bound = READ_BYTES_MAX;
    for front in [
        " ".repeat(bound - 2),
        "/**/".repeat(bound / 4),
        format!("/* a licence: {} */", "\u{e9} http://a.b ".repeat(bound / 8)),
        format!("-- {}\n", "x".repeat(bound)),
        "\n".repeat(16 << 20),
    ] {
        let of = |text: &str| classify(&format!("{front}{text}"), None);
        for text in ["USE ks", "USE ks;", "SELECT key FROM system.local", "INSERT INTO ks.t", "USE"]
        {
            assert_eq!(of(text), classify(text, None), "{text} behind {}", front.len());
        }
        assert!(is_select(&format!("{front}SELECT v FROM t")));
        // What is read of a text begins with its first word.
        let long = format!("{front}INSERT INTO t (k, v) VALUES (1, '{}')", "x".repeat(bound));
        assert_eq!(classify(&long, None), StatementText::Other);
    }
    assert_eq!(classify(&" ".repeat(bound + 1), None), StatementText::Other, "an empty text");
}

#[test]
fn a_name_that_no_keyspace_has_is_not_kept() {
    let named = |len: usize| classify(&format!("USE \"{}\"", "k".repeat(len)), None);
    assert_eq!(named(NAME_BYTES_MAX), StatementText::Use("k".repeat(NAME_BYTES_MAX)));
    assert_eq!(named(NAME_BYTES_MAX + 1), StatementText::Other);
}

#[test]
fn a_statement_of_more_columns_than_any_table_has_is_not_answered_here() {
    let select = |count| format!("SELECT {} FROM system.local", vec!["key"; count].join(","));
    assert_eq!(local(&select(1024)).selectors.len(), 1024);
    assert_eq!(classify(&select(1025), None), StatementText::Other);
    let keys = |count| {
        let keys = vec!["'x'"; count].join(",");
        format!("SELECT key FROM system.local WHERE key IN ({keys})")
    };
    assert_eq!(local(&keys(1024)).relations[0].terms.len(), 1024);
    assert_eq!(classify(&keys(1025), None), StatementText::Other);
    let long = format!("SELECT key FROM system.local WHERE key = '{}'", "x".repeat(64 << 10));
    assert_eq!(classify(&long, None), StatementText::Other);
}

#[test]
fn memory_of_a_statement_is_a_few_times_its_text() {
    for text in [
        format!("SELECT {} FROM system.local", vec!["a"; 1024].join(",")),
        format!("SELECT key FROM system.local WHERE key IN ({})", vec!["''"; 1024].join(",")),
        format!("SELECT key AS {} FROM system.local", "a".repeat(60_000)),
        format!("SELECT key FROM system.local WHERE key IN ({})", vec![":a"; 1024].join(",")),
    ] {
        let weight = local(&text).weight();
        assert!((500..150_000).contains(&weight), "{weight} for {} bytes", text.len());
    }
}

#[test]
fn a_word_beyond_the_bound_is_a_nodes_to_answer() {
    let long = "x".repeat(READ_BYTES_MAX + 1);
    assert_eq!(classify(&long, None), StatementText::Other);
}

#[test]
fn a_selection_beyond_the_bound_is_a_nodes_to_answer() {
    for columns in [READ_BYTES_MAX / 2, 1 << 21] {
        for rest in ["a FROM ks.t", "a FROM system.local", "a", "a;"] {
            let text = format!("SELECT {}{rest}", "a,".repeat(columns));
            assert_eq!(classify(&text, None), StatementText::Other, "{columns} {rest}");
        }
    }
}

#[test]
fn a_malformed_select_of_our_tables_is_refused_by_a_node() {
    for text in [
        "SELECT * FROM system.local WHERE key='local",
        "SELECT * FROM system.local /* x",
        "SELECT * FROM system.local WHERE key=$$local",
        "SELECT * FROM system.local WHERE \"key = 'local'",
        "SELECT * FROM system.local\0",
        "SELECT * FROM system.local\u{feff}",
        "\u{feff}SELECT * FROM system.local",
        "SELECT\u{a0}* FROM system.local",
        "SELECT *\x0cFROM system.local",
        "SELECT * FROM\x0bsystem.local",
        "SELECT key FROM system.local WHERE key='local",
        "SELECT key FROM system.local /* x",
    ] {
        assert_eq!(classify(text, None), StatementText::Other, "{text:?}");
    }
}

#[test]
fn no_text_shows_a_node_because_it_is_not_understood() {
    for text in [
        "SELECT * FROM system.local.x",
        "SELECT * FROM system.local LIMIT -1",
        "SELECT rpc_address, now() FROM system.local",
        "SELECT cast(\"host_id\" AS text) FROM system.local",
        "SELECT count(*), tokens, 1 FROM system.local",
        "SELECT key, 0 AS x, PEER FROM system.peers",
    ] {
        let StatementText::Refused(why) = classify(text, None) else { panic!("{text}") };
        assert_eq!(why.code, ErrorCode::INVALID);
    }
    assert_eq!(classify("SELECT count(*), now() FROM system.local", None), StatementText::Other);
}

#[test]
fn other_statements_go_to_a_node() {
    for text in [
        "",
        ";",
        "users",
        "USED ks",
        "INSERT INTO system.local (key) VALUES ('x')",
        "UPDATE t SET a = 'USE ks' WHERE k = 1",
        "SELECT",
        "SELECT * FROM t",
        "SELECT * FROM local",
        "SELECT * FROM ks.local WHERE a = 'system.local'",
        "SELECT \"from\" FROM ks.t WHERE a = 'x FROM system.local'",
        "SELECT 'x FROM system.local' FROM ks.t",
        "SELECT * FROM \"SYSTEM\".local",
        "SELECT * FROM system.\"LOCAL\"",
        "SELECT * FROM system.size_estimates",
        "SELECT * FROM system_schema.tables",
        "SELECT now() FROM system.local",
        "SELECT 1 FROM system.local",
        "SELECT key, FROM system.local",
        "SELECT key FROM system.local LIMIT -1",
        "SELECT key FROM system.local USING TIMEOUT 2",
        "SELECT JSON *, 1 FROM system.peers",
        "SELECT key AS k, * FROM system.local",
        "SELECT key FROM system.local WHERE key = local",
        "SELECT key FROM system.local WHERE key = 1.5",
        "SELECT key FROM system.local WHERE key = 0xabc",
        "SELECT key FROM system.local WHERE key = 0x+1",
        "SELECT key FROM system.local WHERE token(key) > 1",
        "SELECT key FROM system.local; SELECT key FROM system.local",
        "SELECT key FROM system.local ORDER BY key",
        "/* SELECT * FROM system.local",
        "DESCRIBE CLUSTER",
    ] {
        assert_eq!(classify(text, None), StatementText::Other, "{text}");
    }
}

#[test]
fn statements_that_drivers_send_at_start_are_local() {
    for (text, table) in [
        ("SELECT * FROM system.local WHERE key='local'", LOCAL),
        ("SELECT * FROM system.local", LOCAL),
        ("SELECT * FROM system.peers", PEERS),
        ("SELECT * FROM system.peers_v2", PEERS_V2),
        ("SELECT * FROM system.peers WHERE peer='127.0.0.2'", PEERS),
        ("select cluster_name from system.local where key = 'local'", LOCAL),
        ("select KEY from SYSTEM.LOCAL", LOCAL),
        ("SELECT key FROM \"system\".\"local\"", LOCAL),
        ("SELECT key from system.local", LOCAL),
        ("SELECT cluster_name, release_version FROM system.local LIMIT 1;", LOCAL),
        ("SELECT key FROM system.local USING TIMEOUT 2000ms", LOCAL),
        ("SELECT key FROM system.local WHERE key='local' USING TIMEOUT 2s", LOCAL),
        ("SELECT schema_version, host_id FROM system.local;", LOCAL),
        ("SELECT peer, host_id, rpc_address, schema_version FROM system.peers", PEERS),
        ("SELECT schema_version FROM system.peers", PEERS),
        ("SELECT * FROM system.peers WHERE peer = :address", PEERS),
        ("SELECT * FROM system.peers_v2 WHERE peer = :a and peer_port = :p", PEERS_V2),
        ("SELECT key FROM system . local BYPASS CACHE", LOCAL),
        ("SELECT/**/key/**/FROM/**/system.local--\n;", LOCAL),
        ("SELECT DISTINCT key FROM system.local PER PARTITION LIMIT 1", LOCAL),
        ("SELECT * FROM system.peers WHERE rack = 'r' ALLOW FILTERING", PEERS),
        ("SELECT key FROM system.local WHERE rack = 'r' ALLOW FILTERING", LOCAL),
        ("SELECT count(peer) FROM system.peers", PEERS),
    ] {
        assert_eq!(local(text).table, table, "{text}");
    }
}

#[test]
fn an_unqualified_table_is_of_the_keyspace_in_use() {
    assert!(matches!(
        classify("SELECT * FROM local", Some("system")),
        StatementText::Local(select) if select.table == LOCAL
    ));
    assert_eq!(classify("SELECT * FROM local", Some("ks")), StatementText::Other);
}

#[test]
fn selectors_are_read() {
    let text = "SELECT key, \"key\" AS K2, toJson(tokens), count(*), count(1), COUNT(Rack) FROM system.local";
    let select = local(text);
    let column = |name: &str| SelectorSource::Column(name.to_owned());
    let plain = |source| Selector { source, alias: None };
    assert_eq!(
        select.selectors,
        [
            plain(column("key")),
            Selector { source: column("key"), alias: Some("k2".to_owned()) },
            plain(SelectorSource::ToJson("tokens".to_owned())),
            plain(SelectorSource::Count),
            plain(SelectorSource::Count),
            plain(SelectorSource::CountOf("rack".to_owned())),
        ],
    );
}

#[test]
fn json_is_a_modifier_only_before_a_selection() {
    assert!(local("SELECT JSON key FROM system.local").is_json);
    assert!(local("SELECT json * FROM system.local").is_json);
    let column = local("SELECT json FROM system.local");
    assert_eq!(column.selectors[0].source, SelectorSource::Column("json".to_owned()));
    assert!(!local("SELECT json, key FROM system.local").is_json);
}

#[test]
fn markers_are_counted_once_a_name() {
    let select = local(
        "SELECT key FROM system.local WHERE key = :k AND key IN (:k, ?, 'local') LIMIT ? \
         USING TIMEOUT :t",
    );
    let relation = |terms| Relation { column: "key".to_owned(), terms };
    let local_key = Comparand::Literal(LocalLiteral::Text("local".to_owned()));
    assert_eq!(
        select.relations,
        [
            relation(vec![Comparand::Marker(0)]),
            relation(vec![Comparand::Marker(0), Comparand::Marker(1), local_key]),
        ],
    );
    assert_eq!(select.limit, Some(Limit::Marker(2)));
    let marker = |name: &str, purpose| Marker { name: name.to_owned(), purpose };
    let key = || MarkerUse::Column("key".to_owned());
    assert_eq!(
        select.markers,
        [
            marker("k", key()),
            marker("key", key()),
            marker("[limit]", MarkerUse::Limit),
            marker("t", MarkerUse::Timeout),
        ],
    );
    let list = local("SELECT key FROM system.local WHERE key IN ?");
    assert_eq!(list.markers, [marker("in(key)", MarkerUse::ListOf("key".to_owned()))]);
}

#[test]
fn literals_are_read() {
    let text = "SELECT key FROM system.local WHERE key IN ('a', -7, true, null, \
                0x, 0XcaFE, 7a60342e-8245-4738-b4b8-2e7c168bd01b) LIMIT 3";
    let select = local(text);
    let [relation] = select.relations.as_slice() else { panic!("{select:?}") };
    let literals = relation.terms.iter().map(|term| match term {
        Comparand::Literal(literal) => literal,
        Comparand::Marker(_) | Comparand::ListMarker(_) => panic!("{term:?}"),
    });
    let literals: Vec<_> = literals.collect();
    let expected = [
        LocalLiteral::Text("a".to_owned()),
        LocalLiteral::Integer("-7".to_owned()),
        LocalLiteral::Boolean(true),
        LocalLiteral::Null,
        LocalLiteral::Blob(Vec::new()),
        LocalLiteral::Blob(vec![0xca, 0xfe]),
    ];
    assert!(literals.iter().copied().take(6).eq(&expected), "{literals:?}");
    assert!(matches!(literals.as_slice(), [.., LocalLiteral::Uuid(_)]), "{literals:?}");
    assert_eq!(select.limit, Some(Limit::Rows(3)));
}

#[test]
fn only_select_is_read_twice() {
    assert!(is_select(" /* c */ select * FROM t"));
    assert!(!is_select("SELECTED") && !is_select("INSERT INTO t") && !is_select(""));
}

proptest! {
    #[test]
    fn only_a_select_is_ever_local(text in ".{0,80}") {
        let is_local = matches!(classify(&text, Some("system")), StatementText::Local(_));
        prop_assert!(is_select(&text) || !is_local);
    }

    #[test]
    fn no_mix_of_words_makes_it_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT", "JSON", "*", "key", ",", "FROM", "system", ".", "local", "peers", "WHERE",
                "=", "IN", "(", ")", "?", ":", "'local'", "\"key\"", "LIMIT", "1", "USING",
                "TIMEOUT", "2ms", "--", "\n", "/*", "*/", ";", "'", "\"", "AS", "count",
            ]),
            0..20,
        ),
    ) {
        let text = format!("SELECT {}", words.join(" "));
        prop_assert!(!matches!(classify(&text, Some("system")), StatementText::Use(_)));
    }

    #[test]
    fn use_is_found_behind_any_blanks(blanks in "([ \t\r\n]|--[a-z ]*\n|//[a-z ]*\r|/\\*[a-z -]*\\*/){0,6}") {
        let text = format!("{blanks}uSe{blanks} ks{blanks};{blanks}");
        prop_assert_eq!(classify(&text, None), StatementText::Use("ks".to_owned()));
    }
}
