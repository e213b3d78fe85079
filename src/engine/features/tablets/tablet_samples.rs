//! Reads of our own that have a node report a tablet, where nothing else does.
//!
//! Nodes judge requests whose key is bound to markers. Of a statement by text whose key is a constant they
//! say nothing, so that such statements alone would go astray when a tablet moves: until the table is read
//! again for its age, and for good where the role may not read `system.tablets`. The key of such a statement
//! is read once more, bound to markers, over the same lane: with the rights of the client that asked, and
//! judged as the statement itself would be. Where tablets are read, only those that are known are sampled.

use crate::collections::allowance::Allowance;
use crate::engine::core::core::Core;
use crate::engine::core::reply::Response;
use crate::engine::pending::{InternalRequest, LaneKey, Outgoing, Subject};
use crate::routing::decision::{Decision, Reason};
use crate::routing::tables::read_times::REFUSED_US;
use crate::routing::text::BoundText;
use crate::routing::text::key_read::KeyRead;
use crate::topology::table::TableId;
use crate::upstream::lane::LANE_VERSION;
use crate::upstream::lane::PoolId;
use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::notation::{Reader, put_bytes, put_int, put_long_string, put_short};
use cql::opcode::Opcode;
use cql::payload::TabletReport;
use cql::request::parameters::{PAGE_SIZE, SKIP_METADATA, VALUES};

/// Of a table's statements whose tablet is known one of so many is sampled: a tablet that moved is noticed
/// after about as many of its statements. Replicas take turns: a multiple of their number would meet the
/// same one each time, so it is a prime.
const KNOWN_EVERY: u32 = 101;

/// One of so many, once a sample of the table, or another statement, has shown that a tablet moved: others may
/// have moved with it.
/// A prime, too.
const MOVED_EVERY: u32 = 7;

/// Samples in a row that show no move before a table is sampled as seldom as any other.
const RIGHT_IN_A_ROW: u32 = 32;

/// Refused tables that are remembered.
const REFUSED_MAX: usize = 256;

/// How often keys are sampled.
#[derive(Debug, Default)]
pub(crate) struct TabletSamples {
    /// How many more there may be; `None` before the first.
    allowance: Option<Allowance>,
    /// By number of the table.
    turns: Vec<Turns>,
    /// Tables that are not sampled with the rights of some lanes, and until when, µs.
    refused: Vec<(SampledTable, u64)>,
}

/// A table, and the plain lanes with whose rights it is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SampledTable {
    pub(crate) table: TableId,
    pub(crate) base: PoolId,
}

/// Which of a table's statements is sampled next.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    /// Statements with a known tablet since one was sampled.
    unsampled: u32,
    /// Samples that have yet to show no move, since a move was seen.
    doubts: u32,
}

impl Turns {
    fn every(self) -> u32 {
        if self.doubts > 0 { MOVED_EVERY } else { KNOWN_EVERY }
    }
}

impl TabletSamples {
    /// A statement by text that no node judges went to `decision`; `asked` is what it says.
    #[inline]
    pub(crate) fn on_text(
        &mut self,
        core: &mut Core,
        sampled: SampledTable,
        decision: Decision<LaneKey>,
        asked: &BoundText<'_>,
    ) {
        if core.settings.tablet_samples_per_s == 0 {
            return;
        }
        let is_due = if decision.reason == Reason::UnknownTablet {
            // Where tablets are read, this one is on its way.
            !core.reads_tablets()
        } else {
            let Some(turns) = self.turns_of(sampled.table) else { return };
            turns.unsampled += 1;
            let is_due = turns.unsampled >= turns.every();
            if is_due {
                turns.unsampled = 0;
            }
            is_due
        };
        if is_due {
            self.consider(core, sampled, decision, asked);
        }
    }

    #[cold]
    fn consider(
        &mut self,
        core: &mut Core,
        sampled: SampledTable,
        decision: Decision<LaneKey>,
        asked: &BoundText<'_>,
    ) {
        let SampledTable { table, base } = sampled;
        if !core.router.is_tablet_table(table) || self.is_refused(sampled, core.now_us) {
            return;
        }
        let per_s = core.settings.tablet_samples_per_s;
        // No more at once than in a tenth of a second.
        let allowance =
            self.allowance.get_or_insert_with(|| Allowance::new((per_s / 10).max(1), per_s));
        if !allowance.take(core.now_us) {
            return;
        }
        let Some(read) = core.router.key_read(asked) else { return };
        let is_known = decision.reason.is_routed();
        let request = InternalRequest::TabletSample { table, base, is_known };
        let outgoing = Outgoing {
            subject: Subject::Table(table),
            ..Outgoing::internal(request, Opcode::Query, core.now_us)
        };
        if core.send(decision.lane, &outgoing, &frame_of(&read)).is_some() {
            core.tally.tablet_samples += 1;
        }
    }

    /// A node answered a sample, which went where its tablet was known to be, or `is_known` is false. What
    /// the node reported is learned already.
    pub(crate) fn on_answer(
        &mut self,
        core: &mut Core,
        asked: SampledTable,
        is_known: bool,
        response: &Response<'_>,
    ) {
        if is_known && response.header.opcode == Opcode::Result.byte() {
            self.on_judged(core, asked.table, response);
        }
        let is_refusal = response.header.opcode == Opcode::Error.byte()
            && Reader::new(response.message()).int() == Ok(ErrorCode::UNAUTHORIZED.0);
        if !is_refusal || self.is_refused(asked, core.now_us) {
            return;
        }
        if self.refused.len() >= REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push((asked, core.now_us + REFUSED_US));
    }

    /// A node judged where a known tablet was looked for. One that moved has its table read again, if tablets
    /// may be read, and sampled more.
    fn on_judged(&mut self, core: &mut Core, table: TableId, response: &Response<'_>) {
        let payload = response.body.get(response.payload.clone()).unwrap_or_default();
        if matches!(TabletReport::find(payload), Ok(Some(_))) {
            self.doubt(core, table);
        } else if let Some(turns) = self.turns_of(table) {
            turns.doubts = turns.doubts.saturating_sub(1);
        }
    }

    /// A node reported to a statement that it judges that a tablet is not where it was known to be. Such
    /// statements learn of each tablet by themselves; texts with constants, if the table has any, do not.
    #[cold]
    pub(crate) fn on_moved(&mut self, core: &mut Core, table: TableId) {
        let is_used = core.router.read_times.is_used(table);
        if is_used && self.turns_of(table).is_some_and(|turns| turns.unsampled > 0) {
            self.doubt(core, table);
        }
    }

    /// A tablet of a table has moved, and others may have moved with it.
    fn doubt(&mut self, core: &mut Core, table: TableId) {
        if let Some(turns) = self.turns_of(table) {
            turns.doubts = RIGHT_IN_A_ROW;
        }
        if core.reads_tablets() {
            core.router.read_times.on_moved(table, core.now_us);
        }
    }

    #[inline]
    fn turns_of(&mut self, table: TableId) -> Option<&mut Turns> {
        let at = usize::try_from(table.0).ok()?;
        if self.turns.len() <= at {
            self.turns.resize(at + 1, Turns::default());
        }
        self.turns.get_mut(at)
    }

    fn is_refused(&mut self, asked: SampledTable, now_us: u64) -> bool {
        self.refused.retain(|(_, until_us)| now_us < *until_us);
        self.refused.iter().any(|(refused, _)| *refused == asked)
    }
}

/// The frame of a QUERY that reads a key, one row at most.
fn frame_of(read: &KeyRead) -> Vec<u8> {
    let head = FrameHead { version: LANE_VERSION, flags: 0, stream: 0 };
    let mut frame = Vec::new();
    write_frame(&mut frame, head, Opcode::Query, |out| {
        put_long_string(out, &read.text);
        Consistency::One.put(out);
        out.push(VALUES | SKIP_METADATA | PAGE_SIZE);
        put_short(out, u16::try_from(read.values.len()).unwrap_or(u16::MAX));
        for value in &read.values {
            put_bytes(out, Some(value));
        }
        put_int(out, 1);
    });
    frame
}
