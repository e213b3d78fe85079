//! Why a file with a certificate, a key or CAs cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Which file of a side it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsPart {
    /// The CAs that sign the other side's certificates.
    Ca,
    /// Our certificate and those between it and its CA.
    Certificate,
    /// The private key of our certificate.
    Key,
}

/// A file that cannot be used. It never holds or shows a byte of a key.
#[derive(Debug, Error)]
#[error("{}: {fault}; {}", path.display(), fault.hint())]
pub struct TlsError {
    /// What the file is for.
    pub part: TlsPart,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is no PEM, or holds something else than it should.
    #[error("holds no {0} in PEM form")]
    Absent(&'static str),
    /// What it holds is broken.
    #[error("holds what cannot be understood: {0}")]
    Malformed(String),
    /// Its key asks for a passphrase, which a service cannot type.
    #[error("holds an encrypted key")]
    EncryptedKey,
    /// Certificate and key are of two pairs.
    #[error("is not the key of the certificate in {}", .0.display())]
    KeyMismatch(PathBuf),
    /// The certificate is too old.
    #[error("the certificate expired at {0}")]
    Expired(String),
    /// The certificate is of use only later.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(String),
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "give the path of a file that this process may read",
            Self::Absent("certificate") => {
                "give a PEM file; `openssl x509 -inform der` and `openssl pkcs12 -nokeys` make one"
            }
            Self::Absent(_) => "give a PEM file; `openssl pkcs12 -nocerts -nodes` makes one",
            Self::Malformed(_) => {
                "write the file anew, whole; keys are RSA of 2048 bits or more, ECDSA on P-256 or \
                 P-384, or Ed25519"
            }
            Self::EncryptedKey => {
                "decrypt it with `openssl pkey`, and make it readable for this user alone"
            }
            Self::KeyMismatch(_) => "give a certificate and its own key",
            Self::Expired(_) => "renew the certificate",
            Self::NotYetValid(_) => "set this machine's clock, or wait",
        }
    }
}
