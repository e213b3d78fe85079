//! Precedence, faults, and the files of `config/`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::*;
use crate::config::origin::{FilePosition, SettingOrigin};
use crate::listen::listener::Bind;

fn read(flags: &[(&'static str, &str)], environment: &[(&str, &str)], text: &str) -> Loaded {
    let look_up = |name: &str| {
        environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let layers = Layers {
        flags: flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
        environment: &look_up,
        file: BTreeMap::new(),
    };
    load_text(layers, text, Path::new("test.toml"))
}

fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn origin<'a>(loaded: &'a Loaded, key: &str) -> &'a SettingOrigin {
    &loaded.entries.iter().find(|entry| entry.key == key).unwrap().origin
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let flags = [("workers", "2")];
    let environment = [
        ("SHARDLANE_WORKERS", "3"),
        ("SHARDLANE_PORT", "9043"),
        ("SHARDLANE_LIMITS_CLIENTS_MAX", "7"),
    ];
    let text = "contact_points = ['a']\nworkers = 4\nport = 9044\nrack = 'r'\ndata_center = 'd'\n";
    let loaded = read(&flags, &environment, text);
    assert_eq!(loaded.settings.workers, 2);
    assert_eq!(loaded.settings.port, 9043);
    assert_eq!(loaded.settings.limits.clients_max, 7);
    assert_eq!(loaded.settings.rack.as_deref(), Some("r"));
    assert_eq!(loaded.settings.limits.tablets_max, 1_000_000);
    assert_eq!(*origin(&loaded, "workers"), SettingOrigin::Flag("workers".to_owned()));
    assert_eq!(*origin(&loaded, "port"), SettingOrigin::Environment("SHARDLANE_PORT".to_owned()));
    let place = FilePosition { path: PathBuf::from("test.toml"), line: 4, column: 8 };
    assert_eq!(*origin(&loaded, "rack"), SettingOrigin::File(place));
    assert_eq!(*origin(&loaded, "limits.tablets_max"), SettingOrigin::Default);
    assert!(loaded.accept().is_ok());
}

#[test]
fn contact_points_are_a_list_wherever_they_are_written() {
    let environment = [("SHARDLANE_CONTACT_POINTS", "a, b:1")];
    for loaded in [read(&[], &environment, ""), read(&[], &[], "contact_points = ['a', 'b:1']")] {
        let points = loaded.settings.contact_points.iter().map(ToString::to_string);
        assert_eq!(points.collect::<Vec<_>>(), ["a", "b:1"]);
    }
}

#[test]
fn faults_are_reported_all_at_once_with_key_value_source_and_what_is_right() {
    let environment = [("SHARDLANE_BIND", "unix:"), ("SHARDLANE_LOG_LEVEL", "loud")];
    let text = "port = 70000\nusername = 'u'\nprot = 1\n[limits]\noutbox_low_bytes = 2000000\n\
                clients_max = true\n[lanes]\nsource_port_low = 65500\nbackoff_first_ms = 99999\n";
    let loaded = read(&[("workers", "many")], &environment, text);
    let report = loaded.accept().unwrap_err().to_string();
    for part in [
        "workers = \"many\" (flag --workers): not a whole number; give a whole number from 1 to 256",
        "bind = \"unix:\" (environment SHARDLANE_BIND): it has no path; give addresses with ports",
        "log.level = \"loud\" (environment SHARDLANE_LOG_LEVEL): `loud` is not a level",
        "port = \"70000\" (file test.toml, line 1, column 8): out of range; give a whole number from 1 \
         to 65535",
        "username = \"u\" (file test.toml, line 2, column 12): it has no password; set password_file too",
        "test.toml, line 3, column 1: there is no setting `prot`; did you mean `port`?",
        "limits.clients_max = \"true\" (file test.toml, line 6, column 15): not a whole number",
        "limits.outbox_low_bytes = \"2000000\" (file test.toml, line 5, column 20): not below",
        "lanes.source_port_high = \"65535\" (default): too close to lanes.source_port_low, 65500",
        "lanes.backoff_first_ms = \"99999\" (file test.toml, line 9, column 20): above lanes.backoff_max_ms",
        "10 faults in the configuration",
    ] {
        assert!(report.contains(part), "lacks: {part}\n{report}");
    }
}

#[test]
fn contact_points_are_required() {
    let report = read(&[], &[], "").accept().unwrap_err().to_string();
    assert_eq!(
        report,
        "1 fault in the configuration\n  - contact_points is not set; \
         give at least one node of the cluster, as host or host:port"
    );
}

#[test]
fn clients_and_operators_need_a_port_each() {
    for (bind, admin, fault_count) in [
        ("127.0.0.1:9042", "127.0.0.1:9042", 1),
        ("127.0.0.1:9042", "127.0.0.1:9043", 0),
        ("127.0.0.1:0", "127.0.0.1:0", 0),
    ] {
        let flags = [("contact_points", "a"), ("bind", bind), ("admin", admin)];
        assert_eq!(read(&flags, &[], "").faults.len(), fault_count, "{bind} {admin}");
    }
}

#[test]
fn an_unknown_table_hides_no_other_fault() {
    let text = "port = 'a'\n[limits]\nclients_max = 'x'\n[limits2]\nclients_max = 'y'\n[log]\n\
                level = 'loud'\n";
    let report = read(&[], &[], text).accept().unwrap_err().to_string();
    let parts = [
        "port = \"a\"",
        "limits.clients_max = \"x\"",
        "no setting `limits2`; did you mean `limits`?",
        "`loud` is not a level",
    ];
    for part in parts {
        assert!(report.contains(part), "lacks: {part}\n{report}");
    }
    assert!(!report.contains("\"y\""), "its keys are reported with it\n{report}");
}

#[test]
fn each_bad_contact_point_is_a_fault_of_its_own() {
    let loaded = read(&[("contact_points", "a b,10.0.0,good")], &[], "");
    assert_eq!(loaded.faults.len(), 2, "{:#?}", loaded.faults);
}

#[test]
fn a_kubernetes_service_of_our_name_does_not_set_our_port() {
    let noise = [("SHARDLANE_PORT", "tcp://10.96.0.1:9042"), ("SHARDLANE_RACK", "")];
    let loaded = read(&[("contact_points", "a")], &noise, "");
    assert_eq!(loaded.settings.port, 9042);
    assert!(loaded.accept().is_ok());
}

#[test]
fn an_unreadable_file_or_secret_is_named() {
    let environment = |name: &str| match name {
        "SHARDLANE_CONFIG" => Some("/nonexistent/shardlane.toml".to_owned()),
        "SHARDLANE_USERNAME" => Some("u".to_owned()),
        "SHARDLANE_PASSWORD_FILE" => Some("/nonexistent/password".to_owned()),
        _ => None,
    };
    let report = load(BTreeMap::new(), None, &environment).accept().unwrap_err().to_string();
    assert!(report.starts_with("2 faults"), "{report}");
    assert!(
        report.contains("/nonexistent/shardlane.toml: cannot be read: No such file"),
        "{report}"
    );
    assert!(report.contains("password_file = \"/nonexistent/password\""), "{report}");
}

#[test]
fn the_shipped_file_sets_every_setting_that_has_a_default_to_it() {
    let loaded = read(&[], &[], &shipped("shardlane.toml"));
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.faults.len(), 1, "only contact_points has to be set: {:#?}", loaded.faults);
    for entry in &loaded.entries {
        assert_eq!(entry.value.is_empty(), entry.origin == SettingOrigin::Default, "{}", entry.key);
    }
}

#[test]
fn a_secret_in_place_of_its_file_is_not_shown() {
    let text = "contact_points = ['a']\nusername = 'u'\npassword_file = 'hunter2'\n";
    let loaded = read(&[], &[], text);
    assert!(loaded.entries.iter().all(|entry| !entry.value.contains("hunter2")));
    let report = loaded.accept().unwrap_err().to_string();
    assert!(
        report.contains("password_file = \"…\" (file test.toml, line 3, column 17): No such"),
        "{report}"
    );
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn a_misspelt_contact_points_is_reported_alone() {
    let report = read(&[], &[], "contact_point = ['a']").accept().unwrap_err().to_string();
    assert!(
        report.ends_with("no setting `contact_point`; did you mean `contact_points`?"),
        "{report}"
    );
    let report = read(&[], &[], "contact_points = []").accept().unwrap_err().to_string();
    assert!(report.contains("contact_points is not set"), "{report}");
}

#[test]
fn the_pods_file_runs_as_it_is() {
    let loaded = read(&[], &[], &shipped("sidecar.toml"));
    assert!(loaded.faults.is_empty(), "{:#?}", loaded.faults);
    let bind = Bind::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9042)));
    assert_eq!(loaded.settings.bind, [bind]);
}

#[test]
fn a_place_is_given_once() {
    let twice = [("bind", "127.0.0.1:9042,unix:/a,127.0.0.1:9042"), ("contact_points", "a")];
    let loaded = read(&twice, &[], "");
    assert!(loaded.accept().unwrap_err().to_string().contains("the same place twice"));
    let once = [("bind", "127.0.0.1:9042,unix:/a,127.0.0.1:9043"), ("contact_points", "a")];
    assert!(read(&once, &[], "").accept().is_ok());
}

#[test]
fn addresses_are_nodes_only_where_a_driver_can_dial_each() {
    let fault_of = |bind: &str| {
        let given = [("bind", bind), ("contact_points", "a"), ("bind_as_nodes", "true")];
        read(&given, &[], "").accept().err().map(|error| error.to_string())
    };
    assert_eq!(fault_of("127.0.0.1:9042,unix:/a,127.0.0.2:9042"), None);
    let wrong = [
        ("127.0.0.1:9042", "bind has one address, 127.0.0.1:9042"),
        ("unix:/a", "bind has no address"),
        ("0.0.0.0:9042,127.0.0.2:9042", "bind has 0.0.0.0:9042, which no driver can dial"),
        ("127.0.0.1:9042,127.0.0.1:9043", "127.0.0.1:9043, and system.peers lists no ports"),
        ("127.0.0.1:0,127.0.0.2:0", "127.0.0.2:0, and system.peers lists no ports"),
    ];
    for (bind, reason) in wrong {
        let fault = fault_of(bind).unwrap();
        assert!(fault.contains("bind_as_nodes") && fault.contains(reason), "{fault}");
    }
}
