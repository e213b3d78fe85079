//! Reads of our own that have a node report a tablet, where nothing else does.
//!
//! Nodes judge requests whose key is bound to markers. Of a statement by text whose key is a constant they
//! say nothing, so that such statements alone would never find their shards where the role may not read
//! `system.tablets`, and would go astray for good when a tablet moves. The key of such a statement is read
//! once more, bound to markers, over the same lane: with the rights of the client that asked, and judged
//! as the statement itself would be.

use crate::collections::allowance::Allowance;
use crate::engine::core::core::Core;
use crate::engine::core::reply::Response;
use crate::engine::core::send::LANE_VERSION;
use crate::engine::pending::{InternalRequest, LaneKey, Outgoing, Subject};
use crate::routing::decision::{Decision, Reason};
use crate::routing::text::BoundText;
use crate::routing::text::key_read::KeyRead;
use crate::topology::table::TableId;
use crate::upstream::lane::PoolId;
use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::frame::{FrameHead, write_frame};
use cql::notation::{Reader, put_bytes, put_int, put_long_string, put_short};
use cql::opcode::Opcode;
use cql::request::parameters::{PAGE_SIZE, SKIP_METADATA, VALUES};

/// Of statements whose tablet is known one of so many is sampled: a tablet that moved is noticed after
/// about as many of its statements. Replicas take turns: a multiple of their number would meet the same one
/// each time, so it is a prime.
const KNOWN_EVERY: u32 = 101;

/// A table that a role may not read is not sampled with its rights for this long, µs.
const REFUSED_US: u64 = 600_000_000;

/// Refused tables that are remembered.
const REFUSED_MAX: usize = 256;

/// How often keys are sampled.
#[derive(Debug, Default)]
pub(crate) struct TabletSamples {
    /// How many more there may be; `None` before the first.
    allowance: Option<Allowance>,
    /// Statements with a known tablet since one was sampled.
    known: u32,
    /// Tables that are not sampled with the rights of some lanes, and until when, µs.
    refused: Vec<((TableId, PoolId), u64)>,
}

impl TabletSamples {
    /// A statement by text that no node judges went to `decision`, with the rights of the lanes `base`;
    /// `asked` is what it says.
    #[inline]
    pub(crate) fn on_text(
        &mut self,
        core: &mut Core,
        (table, base, decision): (TableId, PoolId, Decision<LaneKey>),
        asked: &BoundText<'_>,
    ) {
        let settings = &core.settings;
        let is_read = settings.prefetch_tablets && !core.router.read_times.is_refused(core.now_us);
        if settings.tablet_samples_per_s > 0 && !is_read {
            self.consider(core, (table, base, decision), asked);
        }
    }

    #[cold]
    fn consider(
        &mut self,
        core: &mut Core,
        (table, base, decision): (TableId, PoolId, Decision<LaneKey>),
        asked: &BoundText<'_>,
    ) {
        if !core.router.is_tablet_table(table) || self.is_refused((table, base), core.now_us) {
            return;
        }
        if decision.reason != Reason::UnknownTablet {
            self.known += 1;
            if self.known < KNOWN_EVERY {
                return;
            }
            self.known = 0;
        }
        let per_s = core.settings.tablet_samples_per_s;
        // No more at once than in a tenth of a second.
        let allowance =
            self.allowance.get_or_insert_with(|| Allowance::new((per_s / 10).max(1), per_s));
        if !allowance.take(core.now_us) {
            return;
        }
        let Some(read) = core.router.key_read(asked) else { return };
        let request = InternalRequest::TabletSample { table, base };
        let outgoing = Outgoing {
            subject: Subject::Table(table),
            ..Outgoing::internal(request, Opcode::Query, core.now_us)
        };
        if core.send(decision.lane, &outgoing, &frame_of(&read)).is_some() {
            core.tally.tablet_samples += 1;
        }
    }

    /// A node answered a sample; what it reported is learned already.
    pub(crate) fn on_answer(
        &mut self,
        core: &Core,
        asked: (TableId, PoolId),
        response: &Response<'_>,
    ) {
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

    fn is_refused(&mut self, asked: (TableId, PoolId), now_us: u64) -> bool {
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
