//! The PEM files of one side: read at once, then taken apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};

use crate::platform::bounded_file;
use crate::platform::clock::unix_us;
use crate::tls::error::{Fault, TlsError, TlsPart};
use crate::tls::validity::Validity;

/// The one implementation of ciphers. It is named everywhere, so that none must be installed for
/// the whole process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Paths of one side.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsFiles {
    /// CAs that sign the other side's certificates.
    pub ca: Option<PathBuf>,
    /// Our certificate, followed by those between it and its CA.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// What the files of one side hold, all read at one moment.
#[derive(Debug, Default)]
pub struct Material {
    ca: Option<Content>,
    cert: Option<Content>,
    key: Option<Content>,
}

struct Content {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TlsFiles {
    /// Reads all of them.
    pub fn read(&self) -> Result<Material, TlsError> {
        Ok(Material {
            ca: read(TlsPart::Ca, self.ca.as_deref())?,
            cert: read(TlsPart::Certificate, self.cert.as_deref())?,
            key: read(TlsPart::Key, self.key.as_deref())?,
        })
    }
}

fn read(part: TlsPart, path: Option<&Path>) -> Result<Option<Content>, TlsError> {
    let Some(path) = path.map(Path::to_owned) else { return Ok(None) };
    match bounded_file::read(&path) {
        Ok(bytes) => Ok(Some(Content { path, bytes })),
        Err(source) => Err(TlsError { part, path, fault: Fault::Unreadable(source) }),
    }
}

impl Material {
    /// A number that changes with any byte of any file.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let files = [&self.ca, &self.cert, &self.key].into_iter().flatten();
        files.fold(0, |sum: u128, file| {
            // Reading from memory cannot fail.
            let hash = murmur3::murmur3_x64_128(&mut file.bytes.as_slice(), 0).unwrap_or_default();
            sum.rotate_left(31) ^ hash
        })
    }

    /// A fault of one of the files.
    #[must_use]
    pub fn fail(&self, part: TlsPart, fault: Fault) -> TlsError {
        let file = match part {
            TlsPart::Ca => &self.ca,
            TlsPart::Certificate => &self.cert,
            TlsPart::Key => &self.key,
        };
        let path = file.as_ref().map(|file| file.path.clone()).unwrap_or_default();
        TlsError { part, path, fault }
    }

    /// The CAs that the other side's certificate has to come from; `None` without such a file.
    pub fn roots(&self) -> Result<Option<RootCertStore>, TlsError> {
        let Some(file) = &self.ca else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        // Bundles of a system may hold one that is not understood; the others are of use.
        let (added, _) = roots.add_parsable_certificates(certificates(TlsPart::Ca, file)?);
        if added == 0 {
            let fault = Fault::Malformed("no certificate can be a CA".to_owned());
            return Err(self.fail(TlsPart::Ca, fault));
        }
        Ok(Some(roots))
    }

    /// The certificates of the CA file as they stand there.
    pub fn trusted(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        self.ca.as_ref().map_or_else(|| Ok(Vec::new()), |file| certificates(TlsPart::Ca, file))
    }

    /// Why no certificate of the CA file is valid at present, if so. Of several, one is enough: an
    /// old CA may stand beside the one that follows it.
    #[must_use]
    pub fn ca_fault(&self) -> Option<Fault> {
        let now_s = unix_us() / 1_000_000;
        let mut last = None;
        for certificate in self.trusted().ok()? {
            last = Some(date_fault(&Validity::read(&certificate)?, now_s)?);
        }
        last
    }

    /// Until when our certificate is valid, if it should have been renewed by now.
    #[must_use]
    pub fn ending(&self) -> Option<String> {
        let chain = certificates(TlsPart::Certificate, self.cert.as_ref()?).ok()?;
        let validity = Validity::read(chain.first()?)?;
        validity.is_ending(unix_us() / 1_000_000).then_some(validity.not_after.1)
    }

    /// Our certificate with its key, and until when it is valid (seconds since 1970); `None`
    /// without such files.
    pub fn identity(&self) -> Result<Option<(CertifiedKey, i64)>, TlsError> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(None) };
        let chain = certificates(TlsPart::Certificate, cert)?;
        let not_after_s = check_dates(cert, chain.first())?;
        let private = private_key(key)?;
        match CertifiedKey::from_der(chain, private, &provider()) {
            Ok(identity) => Ok(Some((identity, not_after_s))),
            Err(Error::InconsistentKeys(_)) => {
                let fault = Fault::KeyMismatch(cert.path.clone());
                Err(TlsError { part: TlsPart::Key, path: key.path.clone(), fault })
            }
            Err(error) => Err(malformed(TlsPart::Key, key, &error)),
        }
    }
}

fn certificates(part: TlsPart, file: &Content) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_slice_iter(&file.bytes).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|error| malformed(part, file, &error))?;
    if read.is_empty() {
        let fault = Fault::Absent("certificate");
        return Err(TlsError { part, path: file.path.clone(), fault });
    }
    Ok(read)
}

fn private_key(file: &Content) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&file.bytes).map_err(|_| {
        // The parser's own words may show what it stumbled over.
        let is_encrypted = file.bytes.windows(9).any(|window| window == b"ENCRYPTED");
        let fault = if is_encrypted { Fault::EncryptedKey } else { Fault::Absent("private key") };
        TlsError { part: TlsPart::Key, path: file.path.clone(), fault }
    })
}

fn check_dates(file: &Content, leaf: Option<&CertificateDer<'_>>) -> Result<i64, TlsError> {
    let fail = |fault| TlsError { part: TlsPart::Certificate, path: file.path.clone(), fault };
    let validity = leaf.and_then(|leaf| Validity::read(leaf));
    let validity = validity.ok_or_else(|| fail(Fault::Malformed("no dates".to_owned())))?;
    match date_fault(&validity, unix_us() / 1_000_000) {
        Some(fault) => Err(fail(fault)),
        None => Ok(validity.not_after.0),
    }
}

/// Why a certificate is not valid at `now_s`.
fn date_fault(validity: &Validity, now_s: i64) -> Option<Fault> {
    if validity.not_after.0 < now_s {
        return Some(Fault::Expired(validity.not_after.1.clone()));
    }
    (validity.not_before.0 > now_s).then(|| Fault::NotYetValid(validity.not_before.1.clone()))
}

fn malformed(part: TlsPart, file: &Content, error: &dyn std::error::Error) -> TlsError {
    let fault = Fault::Malformed(error.to_string());
    TlsError { part, path: file.path.clone(), fault }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.bytes.fill(0);
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Content").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests;
