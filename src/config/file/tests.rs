//! What of a file is understood, and how each fault reads.

use super::*;

/// The values and the faults of a text.
fn parse(text: &str) -> (BTreeMap<&'static str, String>, Vec<String>) {
    let file = read(text, Path::new("test.toml"));
    let values = file.values.into_iter().map(|(key, (text, _))| (key, text)).collect();
    (values, file.faults.iter().map(ToString::to_string).collect())
}

#[test]
fn keys_become_their_paths_and_lists_their_commas() {
    let text = "contact_points = ['a', 'b:1']\ncompression.clients = []\n[limits]\nclients_max = 5\n\
                lane_orphans_max = 0x1_f\n";
    let (values, faults) = parse(text);
    let expected = [
        ("compression.clients", ""),
        ("contact_points", "a,b:1"),
        ("limits.clients_max", "5"),
        ("limits.lane_orphans_max", "31"),
    ];
    assert_eq!(faults, [""; 0]);
    assert!(values.iter().map(|(key, text)| (*key, text.as_str())).eq(expected), "{values:?}");
}

#[test]
fn a_value_knows_its_line_and_column() {
    let file = read("\nport = 9042 # CQL\n", Path::new("test.toml"));
    assert_eq!(file.values["port"].1.to_string(), "test.toml, line 2, column 8");
}

#[test]
fn every_wrong_type_and_unknown_key_is_reported_with_its_place() {
    let (values, faults) =
        parse("port = 'x'\nprot = 1\nworkers = 2\n[limits]\nclients_max = true\n");
    assert_eq!(
        faults,
        [
            "port = \"x\" (file test.toml, line 1, column 8): not a whole number; give a whole number \
             from 1 to 65535, without quotes",
            "test.toml, line 2, column 1: there is no setting `prot`; did you mean `port`?",
            "limits.clients_max = \"true\" (file test.toml, line 5, column 15): not a whole number; \
             give a whole number from 1 to 1000000, without quotes",
        ]
    );
    assert_eq!(values, BTreeMap::from([("workers", "2".to_owned())]));
}

#[test]
fn no_fault_shows_what_may_be_a_password() {
    for text in [
        "[auth]\npassword = \"hunter2\"\n",
        "[auth]\nmode = \"none\" hunter2\n",
        "password = hunter2",
        "password: hunter2",
        "hunter2",
        "hunter2\nport = 1",
        "username = 'app' 'hunter2'",
        "password_file = ['hunter2']",
        "password_file = 'x\nhunter2'",
        "bob/hunter2 = 5",
        "[auth]\nx = \"\"\"\nhunter2 \\q",
        "x = { password = \"hunter2\" }",
        "username = { name = 'app', password = 'hunter2' }",
        "translate = [{ from = '1.2.3.4', to = { password = 'hunter2' } }]",
    ] {
        let (_, faults) = parse(text);
        assert!(!faults.is_empty(), "{text}");
        assert!(!faults.concat().contains("hunter2"), "{faults:#?}");
    }
}

#[test]
fn a_value_of_a_wrong_type_is_reported_with_the_right_form() {
    let cases = [
        ("port = '9042'", "give a whole number from 1 to 65535, without quotes"),
        ("workers = 1.5", "give a whole number from 1 to 256, without quotes"),
        ("workers = [1]", "give a whole number from 1 to 256, without quotes"),
        ("rack = 1", "give the name as system.local reports it, in quotes"),
        ("admin = 1979-05-27", "give an address and a port, as 127.0.0.1:9380, in quotes"),
        ("[tls]\nverify_name = 'no'", "give true or false, without quotes"),
        ("[tls.ca]", "give the path of a PEM file, in quotes"),
        (
            "contact_points = '10.0.0.1'",
            "give each as host or host:port, in a list: [\"…\", \"…\"]",
        ),
        ("contact_points = [1]", "give each as host or host:port, in a list: [\"…\", \"…\"]"),
        ("translate = ['a=b']", "in a list: [{ from = \"…\", to = \"…\", shard_aware_port = … }]"),
        (
            "translate = [{ from = 'a' }]",
            "in a list: [{ from = \"…\", to = \"…\", shard_aware_port = … }]",
        ),
        (
            "limits = 3",
            "`limits` is a table; give its name in brackets on a line, as [limits], and its keys on the lines below",
        ),
    ];
    for (text, right) in cases {
        let (_, faults) = parse(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
        assert!(faults[0].ends_with(right), "{text}: {faults:#?}");
    }
}

#[test]
fn a_number_too_large_for_any_integer_is_left_to_its_range() {
    let (values, faults) = parse("port = 99999999999999999999999999999999999999999999\n");
    assert_eq!(faults, [""; 0]);
    assert_eq!(values["port"].len(), 44);
}

#[test]
fn a_line_that_is_no_toml_is_one_fault_and_hides_no_other() {
    let text = "port = = 1\nprot = 1\nbind = \"127.0.0.1:9042\nworkers = 2\n[limits\nclients_max = 5\n\
                [lanes]\nper = shard\nnodes_max = 'x'\nheartbeat_s = 10\n";
    let (values, faults) = parse(text);
    let places: Vec<_> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "test.toml, line 1, column 8",
            "test.toml, line 2, column 1",
            "test.toml, line 3, column 23",
            "test.toml, line 5, column 8",
            "test.toml, line 8, column 7",
            "lanes.nodes_max = \"x\" (file test.toml, line 9, column 13)",
        ],
        "{faults:#?}"
    );
    assert!(faults[0].contains(": at `port = …`: "), "{faults:#?}");
    let understood = [("lanes.heartbeat_s", "10".to_owned()), ("workers", "2".to_owned())];
    assert_eq!(values, BTreeMap::from(understood));
    assert!(!read(text, Path::new("test.toml")).is_whole);
}

#[test]
fn a_key_given_twice_and_an_unknown_table_are_one_fault_each() {
    for text in
        ["port = 1\nport = 2\n", "[limts]\nclients_max = 5\n", "[limits\n", "[limits]\n[limits]\n"]
    {
        let (_, faults) = parse(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
    }
    let (_, faults) = parse("[limts]\nclients_max = 5\n");
    assert!(faults[0].ends_with("no setting `limts`; did you mean `limits`?"), "{faults:#?}");
}

#[test]
fn entries_of_the_map_may_be_tables_of_their_own() {
    let one = "translate = [{ from = '10.0.0.1', to = 'lb:1', shard_aware_port = 2 }]\n";
    let other = "[[translate]]\nfrom = '10.0.0.1'\nto = 'lb:1'\nshard_aware_port = 2\n";
    for text in [one, other] {
        let (values, faults) = parse(text);
        assert_eq!(faults, [""; 0]);
        assert_eq!(values["translate"], "10.0.0.1=lb:1/2");
    }
    let (_, faults) =
        parse("port = 'x'\n[[translate]]\nfrom = '10.0.0.1'\nto = 'lb'\nwhere = 'lb'\n");
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(
        faults[1].starts_with("test.toml, line 5, column 1: there is no key `where`"),
        "{faults:#?}"
    );
}
