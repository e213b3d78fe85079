//! A node's end of a lane: requests in, answers out after a while, in any order.

use crate::agenda::Event;
use crate::faults::fault_kind::FaultKind;
use crate::faults::hostile;
use crate::model::frames::{Cutter, Frame};
use crate::model::statements::RequestKind;
use crate::network::link::LinkId;
use crate::proxy::lanes::KEEPALIVE_US;
use crate::proxy::passing::LARGE_BYTES;
use crate::world::World;
use cql::consistency::Consistency;
use cql::error_code::ErrorCode;
use cql::response::error::{Extras, write_error, write_error_with};

/// Longest work on one request.
const WORK_US: u64 = 400;
/// The same on a slow node.
const SLOW_WORK_US: u64 = 4_000_000;
/// An overloaded node refuses one request in so many.
const REFUSED_IN: u64 = 3;
/// A node that takes its peers for dead refuses one request in so many.
const UNAVAILABLE_IN: u64 = 3;
/// A hostile node breaks one answer in so many.
const BROKEN_IN: u64 = 5;

/// Where lanes are cut, one large answer in so many is cut off.
const CUT_IN: u64 = 8;

/// How a node is, for how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mood {
    /// It refuses requests until then.
    pub(crate) overloaded_until_us: u64,
    /// It takes its time until then.
    pub(crate) slow_until_us: u64,
    /// It sends what no server sends until then.
    pub(crate) hostile_until_us: u64,
    /// It forgets each statement at once until then.
    pub(crate) forgets_until_us: u64,
    /// It refuses `USE` until then.
    pub(crate) refuses_use_until_us: u64,
    /// It takes its peers for dead until then.
    pub(crate) lonely_until_us: u64,
    /// It takes no login until then.
    pub(crate) stale_roles_until_us: u64,
    /// Nothing gets to it until then.
    pub(crate) cut_off_until_us: u64,
}

impl Mood {
    /// Whether nothing gets to it.
    pub(crate) fn is_cut_off(self, now_us: u64) -> bool {
        now_us < self.cut_off_until_us
    }
}

impl World {
    /// How a node is.
    pub(crate) fn mood(&self, node: usize) -> Mood {
        self.moods.get(node).copied().unwrap_or_default()
    }

    /// How a node is, to be changed.
    pub(crate) fn mood_mut(&mut self, node: usize) -> Option<&mut Mood> {
        if self.moods.len() <= node {
            self.moods.resize(node + 1, Mood::default());
        }
        self.moods.get_mut(node)
    }

    /// A node reads what arrived on a lane.
    pub(crate) fn node_reads(&mut self, id: LinkId) {
        let bytes = self.take_arrived(id, true, usize::MAX);
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        if lane.node_gone {
            return;
        }
        for frame in lane.input.push(&bytes) {
            self.node_serves(id, &frame);
        }
    }

    fn node_serves(&mut self, id: LinkId, frame: &Frame) {
        let now = self.cluster_now();
        let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) else { return };
        let (node, connection, ids) = (lane.node, lane.connection, lane.metadata_ids);
        let compression = lane.compression;
        let Some(plain) = frame.plain(compression) else {
            return self.blame(format_args!("node {node} cannot read what lane {id} sent"));
        };
        self.check_arrival(id, &plain);
        let mood = self.mood(node);
        let number = plain.number_on_lane(ids);
        if number.is_some()
            && self.now_us < mood.overloaded_until_us
            && self.chance.one_in(REFUSED_IN)
        {
            return self.refuse_overloaded(id, frame, number);
        }
        if let Some(number) = number
            && self.now_us < mood.lonely_until_us
            && self.may_be_unavailable(number)
            && self.chance.one_in(UNAVAILABLE_IN)
        {
            return self.refuse_unavailable(id, frame, number);
        }
        if number.is_some() && self.now_us < mood.forgets_until_us {
            let _count = self.cluster.forget_statements(Some(node), None);
        }
        let mut out = Vec::new();
        self.cluster.receive(connection, &frame.bytes(), now, &mut out);
        let answers = Cutter::default().push(&out);
        let answer = answers.iter().find(|answer| answer.header.stream == frame.header.stream);
        let answer = answer.and_then(|answer| answer.plain(compression));
        let answer = answer.as_ref();
        let schema = number.and_then(|number| self.ledger.get(number));
        if schema.is_some_and(|record| matches!(record.ask, RequestKind::Schema)) {
            self.altered_us = self.now_us;
        }
        self.note_run(number, answer);
        let tell = answer.map_or_else(|| "later".to_owned(), describe);
        self.narrate(format_args!("node {node} lane {id} answers {} {tell}", frame.header.stream));
        for answer in answers {
            self.node_answers(id, &answer);
        }
    }

    /// An overloaded node sheds a request; of some writes it does not say whether they ran.
    fn refuse_overloaded(&mut self, id: LinkId, frame: &Frame, number: Option<u64>) {
        const WORDS: [(ErrorCode, &str); 4] = [
            (ErrorCode::OVERLOADED, "request shed due to coordinator overload"),
            (ErrorCode::OVERLOADED, "too many in-flight requests (configured via x)"),
            (ErrorCode::OVERLOADED, "Too many in flight hints"),
            (ErrorCode::BOOTSTRAPPING, "is bootstrapping"),
        ];
        let at = self.chance.index(WORDS.len());
        let Some((code, text)) = WORDS.get(at).copied() else { return };
        if text.starts_with("Too many in flight hints") {
            self.note_run(number, None);
        }
        let mut bytes = Vec::new();
        write_error(&mut bytes, 0x84, frame.header.stream, code, text);
        self.node_refuses(id, frame, text, &bytes);
    }

    /// Whether a request reads or writes rows, so that replicas are counted for it.
    fn may_be_unavailable(&self, number: u64) -> bool {
        let ask = self.ledger.get(number).map(|record| &record.ask);
        ask.is_some_and(|ask| {
            ask.is_write() || matches!(ask, RequestKind::Execute(..) | RequestKind::Text(..))
        })
    }

    /// A node that takes its peers for dead answers UNAVAILABLE: before it has done anything, or, of
    /// counters, transactions and batches, after it has applied some.
    fn refuse_unavailable(&mut self, id: LinkId, frame: &Frame, number: u64) {
        if self.chance.one_in(2) {
            self.note_run(Some(number), None);
        }
        if let Some(record) = self.ledger.get_mut(number) {
            record.was_unavailable = true;
        }
        let text = "Cannot achieve consistency level for cl QUORUM. Requires 2, alive 1";
        let (consistency, required, alive) = (Consistency::Quorum, 2, 1);
        let mut bytes = Vec::new();
        let extras = Extras::Unavailable { consistency, required, alive };
        write_error_with(&mut bytes, 0x84, frame.header.stream, text, &extras);
        self.node_refuses(id, frame, text, &bytes);
    }

    fn node_refuses(&mut self, id: LinkId, frame: &Frame, text: &str, bytes: &[u8]) {
        self.narrate(format_args!("lane {id} refuses {}: {text}", frame.header.stream));
        for answer in Cutter::default().push(bytes) {
            self.node_answers(id, &answer);
        }
    }

    fn node_answers(&mut self, id: LinkId, answer: &Frame) {
        let now = self.now_us;
        let node = self.links.get_mut(&id).and_then(|link| Some(link.lane()?.node));
        let mood = self.mood(node.unwrap_or(0));
        let work = if now < mood.slow_until_us { SLOW_WORK_US } else { WORK_US };
        let at = now + self.chance.below(work);
        let mut bytes = answer.bytes();
        if now < mood.hostile_until_us && self.chance.one_in(BROKEN_IN) {
            let (how, broken) = hostile::break_answer(&mut self.chance, answer);
            self.narrate(format_args!("a node lies on lane {id}: {how}"));
            bytes = broken;
            if let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) {
                lane.hostile = true;
            }
            if how == hostile::DOUBLED {
                self.doubled_us = Some(now);
            }
        }
        let long = self.trouble && bytes.len() >= LARGE_BYTES;
        if long && self.scenario.has(FaultKind::CutLane) && self.chance.one_in(CUT_IN) {
            self.narrate(format_args!("lane {id} is cut within {} bytes", bytes.len()));
            bytes.truncate(self.chance.index(bytes.len()));
            self.agenda.plan(at, Event::LastNodeAnswer { link: id, bytes });
            return self.agenda.plan(at + 1, Event::LaneCut { link: id });
        }
        self.agenda.plan(at, Event::NodeAnswer { link: id, bytes });
    }

    /// A node sends something on a lane, and nothing behind it if it `ends` there.
    pub(crate) fn on_node_answer(&mut self, id: LinkId, bytes: &[u8], ends: bool) {
        let lane = self.links.get_mut(&id).and_then(|link| link.lane());
        if let Some(lane) = lane.filter(|lane| !lane.output_ends) {
            lane.output.extend_from_slice(bytes);
            lane.output_ends = ends;
            self.node_writes(id);
        }
    }

    /// A node writes what waits for a lane.
    pub(crate) fn node_writes(&mut self, id: LinkId) {
        let lane = self.links.get_mut(&id).and_then(|link| link.lane());
        let Some(lane) = lane.filter(|lane| !lane.node_gone && lane.key.is_some()) else { return };
        let bytes = std::mem::take(&mut lane.output);
        let count = self.transmit(id, false, &bytes);
        if let Some(lane) = self.links.get_mut(&id).and_then(|link| link.lane()) {
            lane.output.extend_from_slice(bytes.get(count..).unwrap_or_default());
        }
    }

    /// A node's process or machine is gone: the proxy hears of it at once, or much later.
    pub(crate) fn on_node_closes(&mut self, id: LinkId) {
        let now = self.now_us;
        let how = self.chance.below(3);
        let Some(link) = self.links.get_mut(&id) else { return };
        let (soon, in_order) = (now + link.latency_us, link.down.last_us);
        let Some(lane) = link.lane() else { return };
        lane.node_gone = true;
        lane.output.clear();
        if lane.key.is_none() {
            self.links.remove(&id);
            return;
        }
        let at = match how {
            0 => soon,
            1 => in_order.max(soon),
            _ => {
                self.lose(id);
                now + KEEPALIVE_US
            }
        };
        self.agenda.plan(at, Event::LaneGone { link: id });
    }

    /// From now on everything on a connection vanishes.
    pub(crate) fn lose(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.up.lost = true;
            link.down.lost = true;
        }
    }
}

/// An answer in a few words.
pub(crate) fn describe(answer: &Frame) -> String {
    match answer.error() {
        Some((code, text)) => format!("ERROR 0x{code:04x} {text}"),
        None => match answer.opcode() {
            Some(opcode) => format!("{opcode:?} of {} bytes", answer.body.len()),
            None => format!("opcode {}", answer.header.opcode),
        },
    }
}
