//! Faults of TLS settings, found without a network.

use std::collections::BTreeMap;

use crate::config::load::load;
use crate::net::tls::test_certificates::{Authority, Folder, files};

/// The faults that the flags lead to.
fn faults(flags: &[(&'static str, &str)]) -> Vec<String> {
    let flags = flags.iter().chain(&[("contact_points", "db.example.com")]);
    let flags: BTreeMap<_, _> = flags.map(|(key, value)| (*key, (*value).to_owned())).collect();
    let loaded = load(flags, None, &|_| None);
    loaded.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn settings_that_lack_each_other_are_refused() {
    let cases: [(&[(&'static str, &str)], &[&str]); 6] = [
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
    let old = files(&clients, None, Some(&ca.sign_for("proxy", (2001, 2002))));
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
