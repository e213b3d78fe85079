//! TLS towards the nodes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, Error, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::connect::dial_error::{DialError, DialErrorAt, DialStep};
use crate::connect::tls::node_verifier::{NameRule, NodeVerifier};
use crate::connect::tls::tls_hint::explain;
use crate::sockets::transport::{Transport, below_tls};
use crate::tls::error::{Fault, TlsError, TlsPart};
use crate::tls::files::{Material, TlsFiles, provider};
use crate::tls::rotated::Rotated;

/// TLS towards the nodes; it is off without a CA file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeTlsSettings {
    /// CAs of the nodes; a certificate and a key for nodes that ask for one.
    pub files: TlsFiles,
    /// The name that certificates have to bear; `None` is the node's address, or the name of a
    /// contact point.
    pub server_name: Option<String>,
    /// Whether names matter at all. The CA always does.
    pub verify_name: bool,
    /// Names of contact points.
    pub known_names: Vec<String>,
}

impl Default for NodeTlsSettings {
    fn default() -> Self {
        Self {
            files: TlsFiles::default(),
            server_name: None,
            verify_name: true,
            known_names: Vec::new(),
        }
    }
}

/// Makes TLS connections of TCP connections to nodes.
#[derive(Debug)]
pub struct NodeTls {
    /// The newest good files.
    pub rotated: Rotated<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl NodeTls {
    /// Reads the files; `None` when TLS is not wanted.
    pub fn load(settings: &NodeTlsSettings) -> Result<Option<Self>, TlsError> {
        if settings.files.ca.is_none() {
            return Ok(None);
        }
        let name = |text: &String| ServerName::try_from(text.clone()).ok();
        let server_name = settings.server_name.as_ref().and_then(name);
        let rule = match &server_name {
            _ if !settings.verify_name => NameRule::AnyName,
            Some(name) => NameRule::Exactly(name.clone()),
            None => NameRule::DialledOr(settings.known_names.iter().filter_map(name).collect()),
        };
        let build = Box::new(move |material: &Material| build(material, rule.clone()));
        let rotated = Rotated::load(settings.files.clone(), build)?;
        Ok(Some(Self { rotated, server_name }))
    }

    /// The TLS handshake with the node at `address`. A node that asks for a certificate and gets
    /// none may still say so only later, when it is first read (TLS 1.3).
    pub async fn secure(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        timeout_ms: u64,
    ) -> Result<Transport, DialErrorAt> {
        let name = self.server_name.clone();
        let name = name.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()));
        let handshake = TlsConnector::from(self.rotated.get()).connect(name, below_tls(stream));
        match timeout(Duration::from_millis(timeout_ms), handshake).await {
            Ok(Ok(stream)) => Ok(Transport::Tls(Box::new(TlsStream::Client(stream)))),
            Ok(Err(source)) => {
                Err(explain(DialError::Broken { step: DialStep::Tls, source }, true).at(address))
            }
            Err(_) => Err(DialError::Timeout { step: DialStep::Tls, timeout_ms }.at(address)),
        }
    }
}

fn build(material: &Material, rule: NameRule) -> Result<(ClientConfig, Option<i64>), TlsError> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let fail = |error: Error| material.fail(TlsPart::Ca, Fault::Malformed(error.to_string()));
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(fail)?;
    let roots = material.roots()?.unwrap_or_else(RootCertStore::empty);
    let verifier = NodeVerifier { roots, trusted: material.trusted()?, rule, algorithms };
    let trusting = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match material.identity()? {
        Some((identity, expires_s)) => {
            let resolver = Arc::new(SingleCertAndKey::from(identity));
            (trusting.with_client_cert_resolver(resolver), Some(expires_s))
        }
        None => (trusting.with_no_client_auth(), None),
    })
}

#[cfg(test)]
mod tests;
