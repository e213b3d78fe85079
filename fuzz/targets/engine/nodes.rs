//! Nodes: what reaches them, and what they answer, well, badly or against the protocol.

use cql::error_code::ErrorCode;
use cql::header::{Header, RESPONSE};
use cql::notation::{put_int, put_string};
use cql::opcode::Opcode;
use cql::request::execute::Execute;
use shardlane::engine::pending::LaneKey;
use shardlane::upstream::lane::PoolId;

use super::input::Input;
use super::{READ_ID, STREAMS_MAX, WRITE_ID, World, marked, number_in, take_frame};
use crate::support::frames;
use crate::support::rig::host;

/// A node's end of a lane.
#[derive(Default)]
pub(super) struct Far {
    pub(super) partial: Vec<u8>,
    pub(super) requests: Vec<frames::Frame>,
    /// Its node answered what it should not have: only the client's side is checked from now on.
    pub(super) hostile: bool,
    /// Whose rights the lane has, where clients log in.
    pub(super) user: Option<usize>,
}

impl World {
    /// A lane carries at most `count` bytes to its node.
    pub(super) fn carry(&mut self, at: usize, count: usize) {
        let Some((lane, far)) = self.far.get_mut(at) else { return };
        let Some(out) = self.rig.engine.lane_output(*lane) else { return };
        let count = count.min(out.len());
        far.partial.extend_from_slice(&out[..count]);
        let lane = *lane;
        self.rig.input(|engine| engine.on_lane_sent(lane, count));
        while let Some(frame) = take_frame(&mut self.far[at].1.partial) {
            let far = &self.far[at].1;
            assert_eq!(frame.header.version, 4, "lanes speak v4: {frame:?}");
            let (user, hostile) = (far.user, far.hostile);
            if let Some(number) = number_in(&frame.body) {
                self.check_rights(number, user);
            }
            if hostile {
                continue;
            }
            let (_, far) = &mut self.far[at];
            let stream = frame.stream();
            assert!(stream >= 0 && stream < STREAMS_MAX as i16, "{frame:?}");
            let taken = far.requests.iter().any(|known| known.stream() == stream);
            assert!(!taken, "stream {stream} is in flight already: {frame:?}");
            if let Some(number) = written(&frame) {
                assert!(self.ran.insert(number), "write {number} ran twice: {frame:?}");
            }
            far.requests.push(frame);
        }
    }

    /// One of the requests that a node got, without it.
    fn pick(&mut self, input: &mut Input<'_>) -> Option<(LaneKey, frames::Frame)> {
        let at = input.below(self.far.len());
        let which = input.byte();
        let (lane, far) = self.far.get_mut(at)?;
        if far.requests.is_empty() {
            return None;
        }
        Some((*lane, far.requests.remove(usize::from(which) % far.requests.len())))
    }

    pub(super) fn answer_well(&mut self, input: &mut Input<'_>) {
        let Some((lane, frame)) = self.pick(input) else { return };
        let text = match frame.opcode() {
            Opcode::Query | Opcode::Prepare => {
                String::from_utf8_lossy(frame.body.get(4..).unwrap_or_default()).into_owned()
            }
            _ => String::new(),
        };
        let body = if frame.opcode() == Opcode::Prepare {
            match text.starts_with("INSERT") {
                true => frames::prepared(&WRITE_ID, 0, "ring.t", b""),
                false => frames::prepared(&READ_ID, 0, "tab.t", b"columns"),
            }
        } else if text.contains("schema_version") {
            frames::schema_version(input.byte() & 1)
        } else if text.starts_with("USE") {
            let mut body = Vec::new();
            put_int(&mut body, 3);
            put_string(
                &mut body,
                text.get(4..).unwrap_or_default().split('\0').next().unwrap_or_default(),
            );
            body
        } else if text.starts_with("CREATE") {
            frames::schema_change("CREATED", "other", Some("t"))
        } else if let Some(number) = number_in(&frame.body) {
            frames::rows(&marked(number))
        } else {
            frames::void()
        };
        self.rig.result(lane, frame.stream(), &body);
    }

    /// A node refuses, or reports a tablet.
    pub(super) fn answer_badly(&mut self, input: &mut Input<'_>) {
        let Some((lane, frame)) = self.pick(input) else { return };
        let kind = input.byte() % 8;
        let refusal = match kind {
            0 => {
                let id = Execute::read(&frame.body)
                    .map_or_else(|_| WRITE_ID.to_vec(), |e| e.id.to_vec());
                frames::unprepared(&id)
            }
            1 => frames::error(ErrorCode::OVERLOADED, "Too many in flight"),
            2 => frames::error(ErrorCode::BOOTSTRAPPING, "not yet"),
            3 => frames::error(ErrorCode::INVALID, "no"),
            _ => {
                let replica = (host(u16::from(input.byte() % 5)).0, i32::from(input.byte()));
                let replicas = vec![replica; usize::from(input.byte())];
                let (first, last) =
                    (i64::from(input.short()) << 40, i64::from(input.short()) << 40);
                let payload = frames::tablet_payload(-first, last, &replicas);
                let plain = frames::node_frame(frame.stream(), Opcode::Result, |out| {
                    out.extend_from_slice(&match number_in(&frame.body) {
                        Some(number) if frame.opcode() != Opcode::Prepare => {
                            frames::rows(&marked(number))
                        }
                        _ => frames::void(),
                    });
                });
                return self.rig.lane_bytes(lane, &frames::with_payload(&plain, &payload));
            }
        };
        // By these words it did not run.
        if let Some(number) = written(&frame) {
            self.ran.remove(&number);
        }
        self.rig.error(lane, frame.stream(), &refusal);
    }

    pub(super) fn answer_anything(&mut self, input: &mut Input<'_>) {
        let Some((lane, frame)) = self.pick(input) else { return };
        if let Some(number) = written(&frame) {
            self.ran.remove(&number);
        }
        let (flags, opcode) = (input.byte(), input.byte());
        let body = input.bytes();
        let body_len = u32::try_from(body.len()).expect("short");
        let flags = flags & 0x0f;
        let header =
            Header { version: RESPONSE | 4, flags, stream: frame.stream(), opcode, body_len };
        self.rig.lane_bytes(lane, &[&header.to_bytes(), body].concat());
    }

    /// A node sends `bytes`, which the model does not follow.
    pub(super) fn lane_bytes(&mut self, at: usize, bytes: &[u8]) {
        let Some((lane, far)) = self.far.get_mut(at) else { return };
        far.hostile = true;
        for frame in far.requests.drain(..) {
            if let Some(number) = written(&frame) {
                self.ran.remove(&number);
            }
        }
        let lane = *lane;
        self.rig.lane_bytes(lane, bytes);
    }

    pub(super) fn open_lane(&mut self, input: &mut Input<'_>) {
        let pool = self.pools[input.below(self.pools.len())];
        let (node, shard) = (u16::from(input.byte() % 4), u16::from(input.byte() % 2));
        self.open_lane_of(pool, node, shard);
    }

    pub(super) fn open_lane_of(&mut self, pool: PoolId, node: u16, shard: u16) {
        let user = self.user_of(pool);
        if self.far.len() < 16
            && let Some(lane) = self.rig.lane_of(pool, node, shard)
        {
            self.far.push((lane, Far { user, ..Far::default() }));
        }
    }
}

/// The number of a write that we made up.
fn written(frame: &frames::Frame) -> Option<u64> {
    let write = match frame.opcode() {
        Opcode::Execute => Execute::read(&frame.body).is_ok_and(|execute| execute.id == WRITE_ID),
        Opcode::Batch => true,
        _ => false,
    };
    number_in(&frame.body).filter(|_| write)
}
