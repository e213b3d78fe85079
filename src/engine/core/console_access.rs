//! The console as the engine shows it: who may see it, and what a text asks of it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::client::ClientKey;
use crate::engine::core::core::Core;
use crate::facade::console::contents::Contents;
use crate::facade::console::table::{ConsoleTable, KEYSPACE};
use crate::facade::refusal::Refusal;
use crate::facade::tables::schema_version::SchemaVersion;
use crate::facade::tables::virtual_table::LiveState;
use crate::facade::text::statement_text::{StatementText, Viewer, classify_for};
use crate::upstream::lane::PoolId;

/// Whether a client sees the console.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// There is no console, or the cluster has a keyspace of this name.
    Off,
    /// It sees the console.
    Shown,
    /// Its role may not.
    Denied,
}

/// What the tables show of the process.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) schema: SchemaVersion,
    /// The rows of the table that is asked, if it is one of the console.
    pub(crate) collected: Option<Arc<Contents>>,
}

impl LiveState for Live {
    fn schema_version(&self) -> Option<[u8; 16]> {
        self.schema.agreed()
    }

    fn console(&self, _: ConsoleTable) -> Option<&Contents> {
        self.collected.as_deref()
    }
}

impl Core {
    /// Works out whether there is a console: it is on, and the cluster has no keyspace of its name.
    pub(crate) fn look_for_console(&mut self) {
        let snapshot = self.router.snapshot();
        self.slow.set(&self.settings.console);
        self.has_console = self.settings.console.enabled && snapshot.keyspace(KEYSPACE).is_none();
    }

    /// Whether a client sees the console.
    pub(crate) fn console_access(&self, client: ClientKey) -> Access {
        let Some(entry) = self.clients.get(client).filter(|_| self.has_console) else {
            return Access::Off;
        };
        // All that did not log in themselves have the rights of the proxy.
        if entry.base == PoolId::PLAIN {
            return Access::Shown;
        }
        let role = entry.about.role.as_deref();
        let named = |role: &str| self.settings.console.roles.iter().any(|one| one == role);
        if role.is_some_and(named) { Access::Shown } else { Access::Denied }
    }

    /// The keyspace in which a client's unqualified names are.
    pub(crate) fn keyspace_of(&self, client: ClientKey) -> Option<&str> {
        let entry = self.clients.get(client)?;
        if entry.about.uses_console { Some(KEYSPACE) } else { entry.session.keyspace.as_deref() }
    }

    /// What a text asks, of a client that may see the console or not.
    pub(crate) fn classify(&self, client: ClientKey, text: &str) -> StatementText {
        let access = self.console_access(client);
        let viewer =
            Viewer { keyspace: self.keyspace_of(client), sees_console: access != Access::Off };
        let class = classify_for(text, viewer);
        if access != Access::Denied {
            return class;
        }
        match class {
            StatementText::Local(select) if ConsoleTable::of(select.table).is_some() => {
                StatementText::Refused(self.denied(client))
            }
            StatementText::Described(_) => StatementText::Refused(self.denied(client)),
            StatementText::Schema(_) => StatementText::Other,
            StatementText::Local(_)
            | StatementText::Use(_)
            | StatementText::Refused(_)
            | StatementText::Other => class,
        }
    }

    /// The refusal of a client whose role may not see the console.
    pub(crate) fn denied(&self, client: ClientKey) -> Refusal {
        let role = self.clients.get(client).and_then(|entry| entry.about.role.as_deref());
        Refusal::unauthorized(role.unwrap_or("(unknown)"), KEYSPACE, "console.roles")
    }

    /// The address of a client that has just connected.
    pub(crate) fn name_client(&mut self, client: ClientKey, peer: SocketAddr) {
        if let Some(entry) = self.clients.get_mut(client) {
            entry.about.peer = Some(SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        }
    }
}
