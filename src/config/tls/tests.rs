//! Faults of TLS settings, found without a network.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::load::load;
use crate::tls::test_certificates::{Authority, Folder, files};

/// Flags by key.
type Flags<'a> = &'a [(&'static str, &'a str)];

/// The faults that the flags lead to.
fn faults(flags: Flags<'_>) -> Vec<String> {
    let flags = flags.iter().chain(&[("contact_points", "db.example.com")]);
    let flags: BTreeMap<_, _> = flags.map(|(key, value)| (*key, (*value).to_owned())).collect();
    let loaded = load(flags, None, &|_| None);
    loaded.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn settings_that_lack_each_other_are_refused() {
    let cases: [(Flags<'_>, &[&str]); 6] = [
        (
            &[("tls.verify_name", "false")],
            &[
                "tls.verify_name = \"false\" (flag --tls-verify-name): TLS with the nodes is off without tls.ca; set tls.ca too",
            ],
        ),
        (&[("tls.cert", "/x")], &["TLS with the nodes is off"]),
        (&[("tls.cert", "/x"), ("tls.ca", "/none")], &["it has no key; set tls.key too"]),
        (&[("bind_tls.key", "/x")], &["it has no certificate; set bind_tls.cert too"]),
        (&[("bind_tls.client_ca", "/x")], &["TLS with clients is off without bind_tls.cert"]),
        (
            &[("tls.server_name", "a b"), ("tls.ca", "/none")],
            &[
                "tls.server_name = \"a b\"",
                "tls.ca = \"/none\" (flag --tls-ca): cannot be read: No such file",
            ],
        ),
    ];
    for (flags, expected) in cases {
        let found = faults(flags);
        assert_eq!(found.len(), expected.len(), "{flags:?}: {found:#?}");
        for words in expected {
            assert!(found.iter().any(|fault| fault.contains(words)), "{words}: {found:#?}");
        }
    }
}

#[test]
fn both_sides_are_looked_into() {
    let (nodes, clients, ca) = (Folder::new(), Folder::new(), Authority::new("a"));
    let good = files(&nodes, Some(&ca), Some(&ca.sign("client")));
    let old = files(&clients, None, Some(&ca.sign_for("proxy", 2001..=2002)));
    let text = |path: Option<std::path::PathBuf>| path.unwrap().to_str().unwrap().to_owned();
    let [ca, cert, key] = [good.ca, good.cert, good.key].map(text);
    let [old_cert, old_key] = [old.cert, old.key].map(text);
    assert_eq!(faults(&[("tls.ca", &ca), ("tls.cert", &cert), ("tls.key", &key)]), [""; 0]);
    assert_eq!(faults(&[("bind_tls.cert", &cert), ("bind_tls.key", &key)]), [""; 0]);
    let found = faults(&[
        ("tls.ca", &ca),
        ("tls.cert", &cert),
        ("tls.key", &old_key),
        ("bind_tls.cert", &old_cert),
        ("bind_tls.key", &old_key),
    ]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("tls.key = ")
            && found[0].contains("is not the key of the certificate")
    );
    assert!(found[1].starts_with("bind_tls.cert = ") && found[1].contains("expired at 2002-01-01"));
}

#[test]
fn a_ca_whose_time_is_over_or_has_not_come_is_a_doubt_and_no_fault() {
    let folder = Folder::new();
    let old = Authority::new_for("old", 2001..=2002).pem();
    let coming = Authority::new_for("coming", 2080..=2090).pem();
    let good = Authority::new("good").pem();
    let doubts = |text: &str| {
        let path = folder.write("ca", text).to_str().unwrap().to_owned();
        let flags = [("contact_points", "db.example.com".to_owned()), ("tls.ca", path.clone())];
        let loaded = load(BTreeMap::from(flags), None, &|_| None);
        assert!(loaded.faults.is_empty(), "{:#?}", loaded.faults);
        loaded.doubts.iter().map(|doubt| doubt.to_string().replace(&path, "CA")).collect::<Vec<_>>()
    };
    let expired = "tls.ca = \"CA\": the certificate expired at 2002-01-01 00:00:00 UTC; renew the \
                   certificate";
    let early = "tls.ca = \"CA\": the certificate is not valid before 2080-01-01 00:00:00 UTC; set \
                 this machine's clock, or wait";
    assert_eq!(doubts(&old), [expired]);
    assert_eq!(doubts(&coming), [early]);
    assert_eq!(doubts(&good), [""; 0]);
    assert_eq!(doubts(&[old, good].concat()), [""; 0], "one of a bundle is enough");
}

#[test]
fn a_certificate_near_its_end_is_a_doubt_and_no_fault() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let doubts = |days: u64| {
        let left = Duration::from_secs(days * 86_400);
        let files = files(&folder, None, Some(&ca.sign_until("proxy", left)));
        let text = |path: Option<std::path::PathBuf>| path.unwrap().to_str().unwrap().to_owned();
        let flags = [
            ("contact_points", "db.example.com".to_owned()),
            ("bind_tls.cert", text(files.cert)),
            ("bind_tls.key", text(files.key)),
        ];
        let loaded = load(BTreeMap::from(flags), None, &|_| None);
        assert!(loaded.faults.is_empty(), "{:#?}", loaded.faults);
        loaded.doubts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let found = doubts(13);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("bind_tls.cert = ") && found[0].contains("it expires at 20"),
        "{found:#?}"
    );
    assert_eq!(doubts(15), [""; 0]);
}
