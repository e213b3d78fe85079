//! Settings made of files that are replaced while we run.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::tls::error::TlsError;
use crate::tls::files::{Material, TlsFiles};

/// How to make `C` of files; also until when the certificate is valid, seconds since 1970, if there
/// is one.
pub type Build<C> = dyn Fn(&Material) -> Result<(C, Option<i64>), TlsError> + Send + Sync;

/// The newest good state of some files. A user of an older one keeps it: a connection is not ended
/// because its certificate has a successor.
pub struct Rotated<C> {
    files: TlsFiles,
    build: Box<Build<C>>,
    current: RwLock<Arc<C>>,
    /// Fingerprint of the files when last looked at, good or bad.
    seen: RwLock<u128>,
    loads: AtomicU64,
    failures: AtomicU64,
    expires_s: AtomicI64,
}

/// What is known of some files, for telemetry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RotationCounts {
    /// Changes that were taken over.
    pub loads: u64,
    /// Changes that were not, because something is wrong with them.
    pub failures: u64,
    /// Until when the certificate is valid, seconds since 1970; `None` without one.
    pub expires_s: Option<u64>,
}

/// What a look at the files brought.
#[derive(Debug)]
pub enum Look {
    /// Nothing changed.
    Same,
    /// They changed and were taken over.
    Replaced,
    /// They changed, and what was there before stays.
    Failed(TlsError),
}

impl<C> Rotated<C> {
    /// Reads the files for the first time.
    pub fn load(files: TlsFiles, build: Box<Build<C>>) -> Result<Self, TlsError> {
        let material = files.read()?;
        let (current, expires_s) = build(&material)?;
        Ok(Self {
            files,
            build,
            current: RwLock::new(Arc::new(current)),
            seen: RwLock::new(material.fingerprint()),
            loads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            expires_s: AtomicI64::new(expires_s.unwrap_or(0)),
        })
    }

    /// The newest good state.
    #[must_use]
    pub fn get(&self) -> Arc<C> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks whether the files changed. The bytes are compared, not the times: a mounted secret is
    /// replaced by turning a symbolic link. A fault is reported once for each change.
    pub fn look(&self) -> Look {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let built = match self.files.read() {
            Ok(material) if material.fingerprint() == *seen => return Look::Same,
            Ok(material) => {
                *seen = material.fingerprint();
                (self.build)(&material)
            }
            Err(error) => {
                // Any number that no files have, so that the same fault is reported once.
                let unreadable = u128::MAX;
                if std::mem::replace(&mut *seen, unreadable) == unreadable {
                    return Look::Same;
                }
                Err(error)
            }
        };
        match built {
            Ok((current, expires_s)) => {
                let mut place = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *place = Arc::new(current);
                drop(place);
                self.expires_s.store(expires_s.unwrap_or(0), Ordering::Relaxed);
                self.loads.fetch_add(1, Ordering::Relaxed);
                Look::Replaced
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                Look::Failed(error)
            }
        }
    }

    /// Looks whether the files changed, and logs what became of it; `side` says whose they are.
    pub fn look_and_log(&self, side: &'static str) {
        match self.look() {
            Look::Same => {}
            Look::Replaced => tracing::info!(side, "new TLS files are in use for new connections"),
            Look::Failed(error) => {
                tracing::error!(side, %error, "new TLS files are not used, those before stay in use");
            }
        }
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> RotationCounts {
        let expires_s = u64::try_from(self.expires_s.load(Ordering::Relaxed)).unwrap_or(0);
        RotationCounts {
            loads: self.loads.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            expires_s: Some(expires_s).filter(|expires_s| *expires_s > 0),
        }
    }
}

impl<C> fmt::Debug for Rotated<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotated").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
