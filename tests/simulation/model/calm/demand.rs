//! After the faults, where lanes are opened on demand: each shard that is asked for gets its lane, and
//! once no requests come each node is left with one.

use crate::faults::fault_kind::FaultKind;
use crate::model::statements::Handle;
use crate::proxy::lanes::WorkerRefiller;
use crate::scenario::ROWS;
use crate::world::World;
use shardlane::pool::refill::refiller::PoolRefiller;

/// A shard that is asked for all the time has its lane within this: the engine asks for none again
/// before 5 s, and who could not be dialled is not dialled again at once.
const OPENED_US: u64 = 40_000_000;
/// The same where source ports were changed, and the shard-aware port is left alone for 300 s.
const FOUND_US: u64 = 900_000_000;
/// The engine looks for unused lanes so often, and some more.
const SWEPT_US: u64 = 1_000_000;

impl World {
    /// A shard that is asked for all the time has its lane within this.
    pub(crate) fn opened_us(&self) -> u64 {
        if self.scenario.has(FaultKind::Nat) { FOUND_US } else { OPENED_US }
    }

    /// A client reads each row until that reaches its shard, without a pause so long that a lane
    /// would count as unused.
    pub(crate) fn read_on_demand(&mut self, number: usize, handle: Handle) {
        let patience = self.opened_us();
        let pause = self.scenario.limits.lane_unused_us / 4;
        for key in 0..ROWS {
            let until = self.now_us + patience;
            let mut reads = 1;
            loop {
                let Some(misses) = self.read_row(number, handle, key) else { return };
                if misses == 0 || self.misses_anyway() {
                    break;
                }
                if self.now_us > until {
                    return self.blame(format_args!(
                        "row {key} of {handle:?} was asked for {reads} times, and has no lane"
                    ));
                }
                reads += 1;
                self.run(self.now_us + pause, |_| false);
            }
        }
    }

    /// No requests come: what is not used is closed, but for one lane to each node.
    pub(crate) fn judge_unused(&mut self) {
        if !self.scenario.on_demand() {
            return;
        }
        let until = self.now_us + self.scenario.limits.lane_unused_us + SWEPT_US;
        self.run(until, |_| false);
        let left = |(key, refiller): (WorkerRefiller, &PoolRefiller)| {
            let up = refiller.schedule().slots().up();
            (up != 1).then(|| format!("{key:?} has {up} lanes, and no requests come"))
        };
        let left = self.refillers().find_map(left);
        if let Some(left) = left {
            self.blame(format_args!("{left}"));
        }
    }
}
