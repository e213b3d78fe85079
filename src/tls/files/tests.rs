//! Files that are good, and each way in which they are not.

use super::*;
use crate::tls::test_certificates::{Authority, Folder, files};

fn fault(files: &TlsFiles) -> (TlsPart, String) {
    let error = match files.read() {
        Ok(material) => material.roots().err().or_else(|| material.identity().err()).unwrap(),
        Err(error) => error,
    };
    (error.part, error.to_string())
}

#[test]
fn good_files_are_taken() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let files = files(&folder, Some(&ca), Some(&ca.sign("localhost")));
    let material = files.read().unwrap();
    assert_eq!(material.roots().unwrap().unwrap().len(), 1);
    let (_, expires_s) = material.identity().unwrap().unwrap();
    assert_eq!(expires_s, 3_786_912_000, "2090-01-01");
    let nothing = TlsFiles::default().read().unwrap();
    assert!(nothing.roots().unwrap().is_none() && nothing.identity().unwrap().is_none());
}

#[test]
fn each_fault_names_its_file_and_its_hint() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let good = files(&folder, Some(&ca), Some(&ca.sign("localhost")));
    let other = ca.sign("localhost");
    let old = ca.sign_for("localhost", 2001..=2002);
    let new = ca.sign_for("localhost", 2089..=2090);
    let sealed =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let file = |name: &str, text: &str| Some(folder.write(name, text));
    let with_ca = |ca| TlsFiles { ca, ..good.clone() };
    let with_cert = |cert| TlsFiles { cert, ..good.clone() };
    let with_key = |key| TlsFiles { key, ..good.clone() };
    let cases = [
        (with_ca(Some(folder.path("none"))), TlsPart::Ca, "none: cannot be read: No such file"),
        (
            with_ca(file("1", "garbage")),
            TlsPart::Ca,
            "1: holds no certificate in PEM form; give a PEM",
        ),
        (with_cert(file("2", "")), TlsPart::Certificate, "2: holds no certificate in PEM form"),
        (
            with_cert(file("3", &old.cert)),
            TlsPart::Certificate,
            "expired at 2002-01-01 00:00:00 UTC; renew",
        ),
        (with_cert(file("4", &new.cert)), TlsPart::Certificate, "not valid before 2089-01-01"),
        (with_key(file("5", &other.key)), TlsPart::Key, "5: is not the key of the certificate in "),
        (with_key(file("6", sealed)), TlsPart::Key, "6: holds an encrypted key; decrypt it"),
        (with_key(file("7", &other.cert)), TlsPart::Key, "7: holds no private key in PEM form"),
    ];
    for (files, part, words) in cases {
        let (found, text) = fault(&files);
        assert_eq!(found, part, "{text}");
        assert!(text.contains(words), "{text} lacks {words}");
    }
}

#[test]
fn no_byte_of_a_key_shows() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let pair = ca.sign("localhost");
    let secret = pair.key.lines().nth(1).unwrap().to_owned();
    let files = files(&folder, None, Some(&pair));
    let material = files.read().unwrap();
    assert!(!format!("{material:?}").contains(&secret));
    let torn = TlsFiles {
        key: Some(folder.write("torn", &pair.key.replace("PRIVATE", "PUBLIC"))),
        ..files
    };
    assert!(!fault(&torn).1.contains(&secret));
}
