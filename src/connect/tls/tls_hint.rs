//! Errors of the TLS library explained, with what an operator can do about them.
//!
//! The texts name settings, not files: they are shown by the probes, too, which any process of this machine can read.

use rustls::{AlertDescription, CertificateError, Error};

use crate::connect::dial_error::{DialError, DialStep};

/// Explains the error of a connection if TLS is its cause; any other error stays as it is. `has_tls` says
/// whether TLS is on.
#[must_use]
pub(crate) fn explain(error: DialError, has_tls: bool) -> DialError {
    let found = match (&error, has_tls) {
        (DialError::TlsAlert { .. }, false) => Some((
            "the node expects TLS at this port".to_owned(),
            "set tls.ca to the file with its CA, or give the port for plain CQL (9042, mostly)",
        )),
        (DialError::Broken { source, step }, true) => match library_error(source) {
            Some(error) => Some(words(error)),
            None if *step == DialStep::Tls => Some((
                format!("the connection broke in the handshake ({source})"),
                "give the port that the node has for TLS (native_transport_port_ssl, 9142 mostly)",
            )),
            None => None,
        },
        (_, _) => None,
    };
    match found {
        Some((reason, hint)) => DialError::Tls { reason, hint },
        None => error,
    }
}

/// The library's error inside of what a read or write failed with.
#[must_use]
pub(crate) fn library_error(error: &std::io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add some at any time")]
fn words(error: &Error) -> (String, &'static str) {
    match error {
        Error::InvalidMessage(_) => (
            "the node speaks plain CQL at this port".to_owned(),
            "give the port that it has for TLS (native_transport_port_ssl, 9142 mostly), or remove \
             tls.ca",
        ),
        Error::InvalidCertificate(fault) => of_certificate(fault),
        Error::AlertReceived(alert) => of_alert(*alert),
        other => (other.to_string(), "compare the versions and ciphers that both sides allow"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add some at any time")]
fn of_certificate(fault: &CertificateError) -> (String, &'static str) {
    match fault {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "no CA in tls.ca signed the node's certificate".to_owned(),
            "give the CA of the nodes as tls.ca; several may stand in one file",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            format!("the node's certificate has expired ({fault})"),
            "renew it on the node, or set this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("the node's certificate is not valid yet ({fault})"),
            "set this machine's clock, or the one that made the certificate",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the node's certificate bears another name ({fault})"),
            "set tls.server_name to a name that it bears, or tls.verify_name to false",
        ),
        other => {
            (format!("the node's certificate is not accepted ({other})"), "replace it on the node")
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add some at any time")]
fn of_alert(alert: AlertDescription) -> (String, &'static str) {
    match alert {
        AlertDescription::CertificateRequired => {
            ("the node asks for a certificate, and got none".to_owned(), "set tls.cert and tls.key")
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => (
            format!("the node does not accept our certificate, or the lack of one ({alert:?})"),
            "set tls.cert and tls.key to a pair that a CA in the node's truststore signed",
        ),
        other => (
            format!("the node ended the handshake ({other:?})"),
            "compare the versions and ciphers that both sides allow",
        ),
    }
}
