//! Files that are replaced.

use std::fs;

use super::*;
use crate::tls::test_certificates::{Authority, Folder, files, relink};

/// Keeps the number of certificates, and nothing else.
fn build(material: &Material) -> Result<(usize, Option<i64>), TlsError> {
    let trusted = material.trusted()?.len();
    Ok((trusted, material.identity()?.map(|(_, expires_s)| expires_s)))
}

#[test]
fn a_turned_link_is_noticed_once() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let one = folder.write("one", &ca.pem());
    let two = folder.write("two", &format!("{}{}", ca.pem(), Authority::new("b").pem()));
    let link = folder.path("ca");
    relink(&link, &one);
    let files = TlsFiles { ca: Some(link.clone()), ..TlsFiles::default() };
    let rotated = Rotated::load(files, Box::new(build)).unwrap();
    let before = rotated.get();
    assert!(matches!(rotated.look(), Look::Same));

    relink(&link, &two);
    assert!(matches!(rotated.look(), Look::Replaced));
    assert!(matches!(rotated.look(), Look::Same));
    assert_eq!((*before, *rotated.get()), (1, 2), "who has the old one keeps it");
    assert_eq!(rotated.counts().loads, 1);
}

#[test]
fn a_bad_file_keeps_the_one_before_and_is_reported_once() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let pair = ca.sign("localhost");
    let files = files(&folder, Some(&ca), Some(&pair));
    let key = files.key.clone().unwrap();
    let rotated = Rotated::load(files, Box::new(build)).unwrap();

    fs::write(&key, ca.sign("localhost").key).unwrap();
    let Look::Failed(error) = rotated.look() else { panic!("another's key was taken") };
    assert!(error.to_string().contains("is not the key of the certificate"), "{error}");
    assert!(matches!(rotated.look(), Look::Same));
    fs::remove_file(&key).unwrap();
    let Look::Failed(error) = rotated.look() else { panic!("a missing key was taken") };
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert!(matches!(rotated.look(), Look::Same));
    assert_eq!((*rotated.get(), rotated.counts().loads, rotated.counts().failures), (1, 0, 2));

    fs::write(&key, &pair.key).unwrap();
    assert!(matches!(rotated.look(), Look::Replaced), "what is good again is taken again");
    assert_eq!(rotated.counts().expires_s, Some(3_786_912_000));
}
