//! Settings of TLS: read, and their files looked into.

use std::path::PathBuf;

use rustls::pki_types::ServerName;

use crate::config::reader::Reader;
use crate::config::settings::Settings;
use crate::connect::node_tls::{NodeTls, NodeTlsSettings};
use crate::control::reaching::contact_point::ContactPoint;
use crate::listen::client_tls::{ClientTls, ClientTlsSettings};
use crate::tls::error::{Part, TlsError};
use crate::tls::files::TlsFiles;

const FILE: &str = "give the path of a PEM file";

/// Keys of one side: CA, certificate, key.
type Keys = [&'static str; 3];

const NODES: Keys = ["tls.ca", "tls.cert", "tls.key"];
const CLIENTS: Keys = ["bind_tls.client_ca", "bind_tls.cert", "bind_tls.key"];

/// Reads how nodes are spoken to.
pub fn read_node_tls(reader: &mut Reader<'_>, contact_points: &[ContactPoint]) -> NodeTlsSettings {
    let files = read_files(reader, NODES);
    let right = "give a host name or an address that the nodes' certificates bear";
    let server_name = reader.read("tls.server_name", (None, String::new()), right, |text| {
        let is_name = ServerName::try_from(text).is_ok();
        is_name.then(|| Some(text.to_owned())).ok_or_else(|| "no host name".to_owned())
    });
    NodeTlsSettings {
        files,
        server_name,
        verify_name: reader.switch("tls.verify_name", true),
        known_names: contact_points.iter().map(|point| point.host.clone()).collect(),
    }
}

/// Reads how clients are spoken to.
pub fn read_client_tls(reader: &mut Reader<'_>, default: &ClientTlsSettings) -> ClientTlsSettings {
    let mut settings = ClientTlsSettings { files: read_files(reader, CLIENTS), ..default.clone() };
    reader.set("bind_tls.handshake_ms", &mut settings.handshake_timeout_ms, &(10..=600_000));
    reader.set("bind_tls.handshakes_max", &mut settings.handshakes_max, &(1..=100_000));
    settings
}

fn read_files(reader: &mut Reader<'_>, [ca, cert, key]: Keys) -> TlsFiles {
    TlsFiles {
        ca: reader.text(ca, FILE).map(PathBuf::from),
        cert: reader.text(cert, FILE).map(PathBuf::from),
        key: reader.text(key, FILE).map(PathBuf::from),
    }
}

/// Finds what no setting shows alone: settings without those that they need, and files that cannot
/// be used. It reads them, so that nobody learns of a torn key at the next restart.
pub fn check(reader: &mut Reader<'_>, settings: &Settings) {
    let (nodes, clients) = (&settings.node_tls, &settings.client_tls);
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

/// What about the files is no fault, and will be noticed: CAs whose time is over, or has not come.
/// Chains that end in them are still believed, by us; other programs may see it otherwise.
#[must_use]
pub fn doubts(settings: &Settings) -> Vec<String> {
    let sides = [(&settings.node_tls.files, NODES), (&settings.client_tls.files, CLIENTS)];
    let doubts = sides.into_iter().filter_map(|(files, [ca, ..])| {
        let path = files.ca.as_ref()?;
        let fault = files.read().ok()?.ca_fault()?;
        Some(format!("{ca} = \"{}\": {fault}; {}", path.display(), fault.fix()))
    });
    doubts.collect()
}

/// Whether a certificate has its key, and a key its certificate.
fn check_pair(reader: &mut Reader<'_>, files: &TlsFiles, [_, cert, key]: Keys) -> bool {
    match (&files.cert, &files.key) {
        (Some(_), None) => refuse(reader, cert, "it has no key", &format!("set {key} too")),
        (None, Some(_)) => {
            refuse(reader, key, "it has no certificate", &format!("set {cert} too"));
        }
        (Some(_), Some(_)) | (None, None) => return true,
    }
    false
}

fn check_files(reader: &mut Reader<'_>, error: Option<TlsError>, [ca, cert, key]: Keys) {
    let Some(TlsError { part, fault, .. }) = error else { return };
    let setting = match part {
        Part::Ca => ca,
        Part::Certificate => cert,
        Part::Key => key,
    };
    reader.refuse(setting, &fault.to_string(), fault.fix());
}

fn refuse(reader: &mut Reader<'_>, key: &'static str, reason: &str, right: &str) {
    if !reader.is_faulty(key) {
        reader.refuse(key, reason, right);
    }
}

#[cfg(test)]
mod tests;
