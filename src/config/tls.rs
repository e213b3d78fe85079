//! Settings of TLS that contradict each other, and files of TLS that cannot be used.

use std::path::PathBuf;

use crate::config::error::Doubt;
use crate::config::reader::SettingsReader;
use crate::config::settings::Settings;
use crate::connect::tls::node_tls::NodeTls;
use crate::listen::client_tls::ClientTls;
use crate::tls::error::{TlsError, TlsPart};
use crate::tls::files::TlsFiles;

/// Keys of one side: CA, certificate, key.
type Keys = [&'static str; 3];

const NODES: Keys = ["tls.ca", "tls.cert", "tls.key"];
const CLIENTS: Keys = ["bind_tls.client_ca", "bind_tls.cert", "bind_tls.key"];

/// Adds a fault for each setting without those that it needs, and for each file that cannot be used.
/// The files are read, so that a broken key is found now and not at the next restart.
pub(crate) fn check(reader: &mut SettingsReader) {
    let (nodes, clients) = (&reader.settings.node_tls.clone(), &reader.settings.client_tls.clone());
    let unused = [
        (nodes.files.cert.is_some(), "tls.cert"),
        (nodes.files.key.is_some(), "tls.key"),
        (nodes.server_name.is_some(), "tls.server_name"),
        (!nodes.verify_name, "tls.verify_name"),
    ];
    for (_, key) in unused.into_iter().filter(|(is_set, _)| *is_set && nodes.files.ca.is_none()) {
        let reason = "TLS with the nodes is off without tls.ca";
        refuse(reader, key, reason, "set tls.ca too, or remove it");
    }
    let has_cert = clients.files.cert.is_some() || clients.files.key.is_some();
    if clients.files.ca.is_some() && !has_cert {
        let reason = "TLS with clients is off without bind_tls.cert";
        refuse(reader, "bind_tls.client_ca", reason, "set bind_tls.cert too, or remove it");
    }
    if check_pair(reader, &nodes.files, NODES) {
        check_files(reader, NodeTls::load(nodes).err(), NODES);
    }
    if check_pair(reader, &clients.files, CLIENTS) {
        check_files(reader, ClientTls::load(clients).err(), CLIENTS);
    }
}

/// CAs whose time is over, or has not come. That is no fault: chains that end in them are still
/// accepted here. Other programs may not accept them. And certificates of ours whose time is nearly over.
#[must_use]
pub(crate) fn doubts(settings: &Settings) -> Vec<Doubt> {
    let sides = [(&settings.node_tls.files, NODES), (&settings.client_tls.files, CLIENTS)];
    let doubts = sides.into_iter().flat_map(|(files, [ca, cert, _])| {
        let Ok(material) = files.read() else { return [None, None] };
        let doubt = |key: &'static str, path: &Option<PathBuf>, found: String, hint: &str| {
            let path = path.as_ref()?.display();
            Some(Doubt { key, text: format!("{key} = \"{path}\": {found}"), hint: hint.to_owned() })
        };
        let of_ca = material.ca_fault();
        let of_ca = of_ca.and_then(|it| doubt(ca, &files.ca, it.to_string(), it.hint()));
        let ending = material.ending().and_then(|until| {
            let found = format!("the certificate should have been renewed, it expires at {until}");
            doubt(cert, &files.cert, found, "renew it; the file is read again by itself")
        });
        [of_ca, ending]
    });
    doubts.flatten().collect()
}

/// Whether a certificate has its key, and a key its certificate.
fn check_pair(reader: &mut SettingsReader, files: &TlsFiles, [_, cert, key]: Keys) -> bool {
    match (&files.cert, &files.key) {
        (Some(_), None) => refuse(reader, cert, "it has no key", &format!("set {key} too")),
        (None, Some(_)) => {
            refuse(reader, key, "it has no certificate", &format!("set {cert} too"));
        }
        (Some(_), Some(_)) | (None, None) => return true,
    }
    false
}

fn check_files(reader: &mut SettingsReader, error: Option<TlsError>, [ca, cert, key]: Keys) {
    let Some(TlsError { part, fault, .. }) = error else { return };
    let setting = match part {
        TlsPart::Ca => ca,
        TlsPart::Certificate => cert,
        TlsPart::Key => key,
    };
    reader.refuse(setting, &fault.to_string(), fault.hint());
}

fn refuse(reader: &mut SettingsReader, key: &'static str, reason: &str, right: &str) {
    if !reader.is_faulty(key) {
        reader.refuse(key, reason, right);
    }
}

#[cfg(test)]
mod tests;
