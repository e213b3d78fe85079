//! The schema version that clients are shown: the one on which all nodes last agreed.
//!
//! The tables of the watched node are read a while after a change, and a reading that was under way
//! meanwhile shows the version before. Tools that change the schema wait for a version to stay.

/// The schema version that clients are shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SchemaVersion {
    /// What all nodes last said.
    agreed: Option<[u8; 16]>,
}

impl SchemaVersion {
    /// All nodes say this version.
    pub(crate) fn on_agreed(&mut self, version: [u8; 16]) {
        self.agreed = Some(version);
    }

    /// The watched node's tables were read, and name `version`. Returns whether the nodes have to be
    /// asked: it may be older than what is known, or newer.
    #[must_use]
    pub(crate) fn on_read(&self, version: Option<[u8; 16]>) -> bool {
        self.agreed.is_some() && self.agreed != version
    }

    /// The nodes were asked and did not agree in time: what was read of one counts again.
    pub(crate) fn on_disagreement(&mut self) {
        self.agreed = None;
    }

    /// What all nodes last said; `None` when that is not known.
    #[must_use]
    pub(crate) fn agreed(&self) -> Option<[u8; 16]> {
        self.agreed
    }
}
