//! What requests want to know of tables, asked of the control connection.

use crate::engine::action::{Action, TableFact, TableRequest};
use crate::engine::core::core::Core;
use crate::routing::tables::read_times::Want;
use crate::topology::table::TableId;

impl Core {
    /// Whether tablets are read all at once, as far as is known.
    pub(crate) fn reads_tablets(&self) -> bool {
        self.settings.prefetch_tablets && !self.router.read_times.is_refused(self.now_us)
    }

    /// Has all tablets of a table read, if it has tablets and that was not done of late.
    pub(crate) fn want_tablets(&mut self, table: TableId, want: Want) {
        if !self.settings.prefetch_tablets || !self.router.is_tablet_table(table) {
            return;
        }
        let Some((keyspace, name)) = self.router.tables.name(table) else { return };
        if self.router.read_times.ask(table, want, self.now_us) {
            let (keyspace, table) = (keyspace.into(), name.into());
            let request = TableRequest { keyspace, table, wanted: TableFact::Tablets };
            self.actions.push_back(Action::ReadTable(request));
        }
    }
    /// Forgets what was learned of a table that was dropped, or is another of the same name.
    pub(crate) fn forget_table(&mut self, table: TableId, is_present: bool) {
        self.router.forget_table(table, is_present);
        self.tally.forget_feedback([table]);
    }
}
