//! Whether a certificate is a node's: signed by our CA, valid today, and made out for the node.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::tls::validity::Validity;

/// The names that a certificate may have been made out for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NameRule {
    /// The address that was dialled, or one of these names: those under which the operator knows
    /// the cluster. Nodes are found by addresses, and certificates often name hosts only.
    DialledOr(Vec<ServerName<'static>>),
    /// This name alone.
    Exactly(ServerName<'static>),
    /// Any name: the CA alone counts.
    AnyName,
}

/// Verifies the certificates of nodes.
#[derive(Debug)]
pub(crate) struct NodeVerifier {
    /// CAs that may have signed.
    pub roots: RootCertStore,
    /// Certificates that are trusted as they are: a cluster may use a single one that signed
    /// itself, which no CA is behind.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Which name the certificate has to bear.
    pub rule: NameRule,
    /// Signatures that are understood.
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl NodeVerifier {
    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.trusted.iter().any(|trusted| trusted.as_ref() == end_entity.as_ref()) {
            return verify_dates(end_entity, now);
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
    }
}

fn verify_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let validity = Validity::read(certificate).ok_or(CertificateError::BadEncoding)?;
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now_s > validity.not_after.0 {
        return Err(CertificateError::Expired.into());
    }
    if now_s < validity.not_before.0 {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_chain(end_entity, intermediates, now)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        match &self.rule {
            NameRule::AnyName => {}
            NameRule::Exactly(name) => verify_server_name(&certificate, name)?,
            NameRule::DialledOr(names) => {
                if let Err(error) = verify_server_name(&certificate, server_name)
                    && !names.iter().any(|name| verify_server_name(&certificate, name).is_ok())
                {
                    return Err(error);
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
