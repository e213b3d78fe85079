//! In the calm: a client on a connection of its own reads all columns of a table that has got one more.

use crate::clients::driver::{Driver, WayIn};
use crate::model::frames::Hand;
use crate::model::statements::{Handle, KEYSPACES, RequestKind, Shape, keyspace};
use crate::scenario::ROWS;
use crate::world::World;

/// The column that a table gets.
const COLUMN: &str = "later";

impl World {
    /// A client that has a connection of its own prepares a statement, its table gets a column, another
    /// client prepares the same, and it asks for a row without its columns: it holds too few, so they come
    /// all the same.
    pub(crate) fn judge_own_rows(&mut self) {
        if !self.scenario.odd_logins || self.broken.is_some() {
            return;
        }
        let of = self.chance.index(KEYSPACES.len());
        let handle = Handle { shape: Shape::ReadAll, keyspace: of, qualified: true };
        let number = self.drivers.len();
        let driver = Driver { way_in: WayIn::Odd, stopped: true, ..Driver::draw(&mut self.chance) };
        self.drivers.push(driver);
        self.on_driver_dials(number);
        if !self.settle() {
            return;
        }
        self.ask(number, RequestKind::Prepare(handle), |hand| hand.prepare(&handle.text()));
        let text = format!("ALTER TABLE {}.t ADD {COLUMN} bigint", keyspace(of));
        if !self.settle() || !self.change_schema(&[text]) {
            return;
        }
        self.prepare_on_all(&handle.text());
        let held = self.drivers.get(number).and_then(|driver| driver.held.get(&handle));
        let Some(id) = held.map(|held| held.id.clone()) else {
            return self.blame(format_args!("client {number} has lost {handle:?}"));
        };
        let key = self.chance.below(ROWS);
        let value = i64::try_from(key).unwrap_or(0);
        let ask = RequestKind::Execute(handle, key);
        self.ask(number, ask, |hand: Hand| hand.execute(&id, &[value], true));
        self.counted.own_rows_judged += u64::from(self.settle());
    }
}
