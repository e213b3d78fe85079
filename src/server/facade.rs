//! stub

use crate::control::server_tables::ServerTables;
use crate::session::system_tables::Facade;

/// stub
#[must_use]
pub fn of(_tables: &ServerTables) -> Facade {
    Facade {}
}
