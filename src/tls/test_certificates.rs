//! Certificates for tests, made when a test runs.

use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};

use crate::platform::clock::unix_us;
use crate::tls::files::TlsFiles;

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A folder of its own, which goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("shardlane-tls-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A CA that signs what it is asked to.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::new_for(name, 2000..=2090)
    }

    /// A CA that is valid from the first of these years to the beginning of the last.
    pub(crate) fn new_for(name: &str, years: RangeInclusive<i32>) -> Self {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(*years.start(), 1, 1);
        params.not_after = date_time_ymd(*years.end(), 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`, valid from the first of these years to the beginning of the last.
    pub(crate) fn sign_for(&self, name: &str, years: RangeInclusive<i32>) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(*years.start(), 1, 1);
        params.not_after = date_time_ymd(*years.end(), 1, 1);
        self.sign_as(params)
    }

    /// A certificate that is valid since 2000, for so much longer from now on.
    pub(crate) fn sign_until(&self, name: &str, left: Duration) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let now = Duration::from_micros(u64::try_from(unix_us()).unwrap());
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + (now + left);
        self.sign_as(params)
    }

    fn sign_as(&self, mut params: CertificateParams) -> Pair {
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.extended_key_usages = both.to_vec();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { cert, key: key.serialize_pem() }
    }

    /// One that is good today.
    pub(crate) fn sign(&self, name: &str) -> Pair {
        self.sign_for(name, 2000..=2090)
    }
}

/// Writes the files of one side.
pub(crate) fn files(folder: &Folder, ca: Option<&Authority>, pair: Option<&Pair>) -> TlsFiles {
    let write = |name: &str, text: &str| Some(folder.write(name, text));
    TlsFiles {
        ca: ca.and_then(|ca| write("ca", &ca.pem())),
        cert: pair.and_then(|pair| write("cert", &pair.cert)),
        key: pair.and_then(|pair| write("key", &pair.key)),
    }
}

/// Replaces a file as a mounted secret is: by a link that is turned.
pub(crate) fn relink(link: &Path, target: &Path) {
    let next = link.with_extension("next");
    std::os::unix::fs::symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}
