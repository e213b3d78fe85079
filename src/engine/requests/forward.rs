//! The way up: a client's request onto a lane.

use std::borrow::Cow;

use crate::engine::answers::metadata_ids;
use crate::engine::client::ClientKey;
use crate::engine::engine::Engine;
use crate::engine::limits::KEYS;
use crate::engine::pending::{LaneKey, Origin, Pending, Purpose};
use crate::engine::requests::lane_compression::pack;
use crate::engine::requests::local_traces::Asker;
use crate::engine::tally::{Outcome, RequestKind};
use crate::facade::statement_text;
use crate::routing::catalog::StatementKey;
use crate::routing::decision::{Decision, Reason};
use crate::upstream::lane::PoolId;
use crate::upstream::stream_ids::StreamId;
use cql::error_code::ErrorCode;
use cql::frame;
use cql::header::{FLAG_COMPRESSED, FLAG_TRACING, HEADER_LEN};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::request::batch::Batch;
use cql::request::execute;
use cql::request::execute::Execute;
use cql::request::parameters::Parameters;

/// Longest frame that is kept for sending again.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// Protocol version of every lane.
const LANE_VERSION: u8 = 4;

/// A request on its way to a lane.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Outgoing {
    pub(in crate::engine) origin: Origin,
    /// The plain lanes of who asks: it never leaves those with the same rights.
    pub(in crate::engine) home: PoolId,
    pub(in crate::engine) opcode: Opcode,
    pub(in crate::engine) is_read: bool,
    pub(in crate::engine) resent: u8,
    pub(in crate::engine) arrived_us: u64,
    pub(in crate::engine) statement: Option<StatementKey>,
}

impl Outgoing {
    /// The same request once more, for the same client or internal request, whose plain lanes are `home`.
    pub(in crate::engine) fn again(pending: &Pending, home: PoolId) -> Self {
        Self {
            origin: pending.origin,
            home,
            opcode: pending.opcode,
            is_read: pending.is_read,
            resent: pending.resent + 1,
            arrived_us: pending.arrived_us,
            statement: pending.statement,
        }
    }
}

impl Engine {
    /// EXECUTE: always on the plain lanes, since its id fixes the table.
    pub(in crate::engine) fn on_execute(&mut self, client: ClientKey, frame: &mut [u8]) {
        if Self::is_local_execute(frame) {
            if !self.waits_for_trace(client, Opcode::Execute, frame) {
                self.execute_locally(Asker::of(client, frame), frame);
            }
            return;
        }
        let origin = self.client_origin(client, frame);
        self.route_execute(self.outgoing(origin, Opcode::Execute), frame);
    }

    /// Routes an EXECUTE by its key and sends it.
    pub(in crate::engine) fn route_execute(&mut self, mut outgoing: Outgoing, frame: &mut [u8]) {
        if self.pools.is_dedicated(outgoing.home) {
            return self.send_anywhere(outgoing.home, Reason::Dedicated, outgoing, frame);
        }
        let body = frame.get_mut(HEADER_LEN..).unwrap_or_default();
        let Ok(request) = Execute::read(body) else {
            return self.send_anywhere(outgoing.home, Reason::UnknownStatement, outgoing, frame);
        };
        let sticky = self.lane_of_page(outgoing.home, &request.parameters);
        let (router, mut lanes) = self.field(outgoing.home);
        lanes.sticky = sticky;
        let routed = router.execute(&request, &lanes);
        if routed.ask_for_metadata && !self.tells_new_columns(routed.decision) {
            execute::ask_for_metadata(body);
        }
        if self.opens_on_demand() {
            self.ask_for_missing(outgoing.home);
        }
        outgoing.statement = routed.statement;
        outgoing.is_read = routed.is_read;
        match routed.statement {
            Some(_) => self.tally.catalog_hits += 1,
            None => self.tally.catalog_misses += 1,
        }
        self.send_or_refuse(routed.decision, outgoing, frame);
    }

    /// QUERY: answered here, or to the least busy lane of the client's keyspace.
    pub(in crate::engine) fn on_query(&mut self, client: ClientKey, frame: &[u8]) {
        if self.waits_for_trace(client, Opcode::Query, frame)
            || self.query_locally(Asker::of(client, frame), frame)
        {
            return;
        }
        let origin = self.client_origin(client, frame);
        let mut outgoing = self.outgoing(origin, Opcode::Query);
        let text = Reader::new(frame.get(HEADER_LEN..).unwrap_or_default()).long_string();
        outgoing.is_read = text.is_ok_and(statement_text::is_select);
        self.send_anywhere(self.pool_of(client), Reason::Text, outgoing, frame);
    }

    /// PREPARE: answered here, or to one node; the others follow when its answer is there.
    pub(in crate::engine) fn on_prepare(&mut self, client: ClientKey, frame: &[u8]) {
        if self.waits_for_trace(client, Opcode::Prepare, frame)
            || self.prepare_locally(Asker::of(client, frame), frame)
        {
            return;
        }
        let origin = self.client_origin(client, frame);
        let mut outgoing = self.outgoing(origin, Opcode::Prepare);
        outgoing.is_read = true;
        self.send_anywhere(self.pool_of(client), Reason::Prepare, outgoing, frame);
    }

    /// BATCH: by its first routable child; text children need the client's keyspace.
    pub(in crate::engine) fn on_batch(&mut self, client: ClientKey, frame: &[u8]) {
        let origin = self.client_origin(client, frame);
        let outgoing = self.outgoing(origin, Opcode::Batch);
        self.route_batch(self.pool_of(client), outgoing, frame);
    }

    /// Routes a BATCH and sends it.
    pub(in crate::engine) fn route_batch(
        &mut self,
        pool: PoolId,
        outgoing: Outgoing,
        frame: &[u8],
    ) {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let decision = match Batch::read(body) {
            Ok(batch) => {
                let place = self.router.look_through(&batch);
                let pool = if place.has_text { pool } else { outgoing.home };
                let (router, lanes) = self.field(pool);
                router.batch(&place, &lanes)
            }
            Err(_) => {
                let (router, lanes) = self.field(pool);
                router.anywhere(&lanes, Reason::UnroutableBatch)
            }
        };
        if self.opens_on_demand() {
            self.ask_for_missing(outgoing.home);
        }
        self.send_or_refuse(decision, outgoing, frame);
    }

    /// Sends a request to the least busy lane of a pool.
    pub(in crate::engine) fn send_anywhere(
        &mut self,
        pool: PoolId,
        reason: Reason,
        outgoing: Outgoing,
        frame: &[u8],
    ) {
        let sticky = match outgoing.opcode == Opcode::Query {
            true => query_parameters(frame).and_then(|it| self.lane_of_page(pool, &it)),
            false => None,
        };
        let (router, mut lanes) = self.field(pool);
        lanes.sticky = sticky;
        let decision = router.anywhere(&lanes, reason);
        self.send_or_refuse(decision, outgoing, frame);
    }

    /// Sends a request where `decision` says; without one its client gets an ERROR.
    pub(in crate::engine) fn send_or_refuse(
        &mut self,
        decision: Option<Decision<LaneKey>>,
        outgoing: Outgoing,
        frame: &[u8],
    ) {
        if !self.remote.nodes.is_empty()
            && let Some(Decision { lane, .. }) = decision
            && self.is_too_far(lane, &outgoing, frame)
        {
            return self.refuse_too_far(outgoing, frame);
        }
        let sent = decision.is_some_and(|decision| {
            self.tally.on_decision(decision.reason);
            self.send(decision.lane, outgoing, frame)
        });
        if !sent {
            self.no_lane(outgoing);
        }
    }

    fn no_lane(&mut self, outgoing: Outgoing) {
        let Origin::Client { client, stream, purpose } = outgoing.origin else { return };
        let text: Cow<'_, str> = if self.pools.lane_map(outgoing.home).live().is_empty() {
            "shardlane has no connection to any node of the cluster".into()
        } else if !self.stalls.nodes.is_empty() {
            "every connection of shardlane that could take this is stalled, full or closing: nodes \
             take no bytes and say nothing"
                .into()
        } else {
            let (key, max) = (KEYS.lane_streams_max, self.settings.limits.lane_streams_max);
            format!(
                "every connection of shardlane to the cluster is full ({max} requests, see {key}) or \
                 closing"
            )
            .into()
        };
        self.leave(client);
        self.refuse(
            (client, stream),
            RequestKind::of(outgoing.opcode),
            ErrorCode::OVERLOADED,
            &text,
        );
        if let Purpose::Use(_) = purpose {
            self.on_use_ended(client);
        }
    }

    /// Puts a request on a lane; `false` when the lane takes no more.
    pub(in crate::engine) fn send(
        &mut self,
        key: LaneKey,
        outgoing: Outgoing,
        request: &[u8],
    ) -> bool {
        let sent = self.send_as(key, outgoing, request);
        if let Some(id) = sent
            && self.settings.limits.speculative_delay_us > 0
        {
            self.watch(key, id, &outgoing);
        }
        sent.is_some()
    }

    /// Puts a request on a lane, and tells its stream id there.
    pub(in crate::engine) fn send_as(
        &mut self,
        key: LaneKey,
        outgoing: Outgoing,
        request: &[u8],
    ) -> Option<StreamId> {
        let limits = self.settings.limits;
        let lane = self.lanes.get(key)?;
        let (home, retained) = (lane.home, lane.retained_bytes);
        let of_client = matches!(outgoing.origin, Origin::Client { .. });
        if of_client && home != outgoing.home {
            // A client that is gone, or was turned out, has no home. Else a pool was mistaken.
            debug_assert_eq!(outgoing.home, PoolId::NOWHERE, "a client on a lane of {home:?}");
            return None;
        }
        let keep = request.len() <= KEPT_BYTES_MAX
            && retained + request.len() <= limits.lane_retained_bytes_max;
        let kept = self.keep(if keep { request } else { &[] });
        let lane = self.lanes.get_mut(key)?;
        let kept_len = kept.len();
        let metadata_id = metadata_ids::held_id(&self.router.catalog, lane.route, &outgoing);
        let packed = lane.route.compression.map(|one| pack(request, metadata_id, one));
        let request_len = match &packed {
            Some(packed) => packed.len(),
            None => request.len() + metadata_id.map_or(0, |id| 2 + id.len()),
        };
        let request_len = u64::try_from(request_len).unwrap_or(u64::MAX);
        let pending = Pending {
            origin: outgoing.origin,
            opcode: outgoing.opcode,
            is_read: outgoing.is_read,
            resent: outgoing.resent,
            arrived_us: outgoing.arrived_us,
            sent_at: lane.outbox.appended_total() + request_len,
            statement: outgoing.statement,
            frame: kept,
        };
        let id = match lane.ids.claim(pending) {
            Ok(id) => id,
            Err(refused) => {
                self.give_back(refused.frame);
                return None;
            }
        };
        lane.retained_bytes += kept_len;
        if of_client {
            lane.used_us = self.now_us;
        }
        let out = lane.outbox.end();
        let at = out.len();
        match (&packed, metadata_id) {
            (Some(packed), _) => out.extend_from_slice(packed),
            (None, Some(id)) => metadata_ids::write_with_id(out, request, id),
            (None, None) => out.extend_from_slice(request),
        }
        let compressed = packed.map_or(0, |_| FLAG_COMPRESSED);
        if let Some([version, flags, ..]) = out.get_mut(at..) {
            *version = LANE_VERSION;
            *flags &= FLAG_TRACING | compressed;
        }
        frame::patch_stream(out.get_mut(at..).unwrap_or_default(), id.0);
        let full = lane.outbox.waiting_len() > limits.outbox_high_bytes;
        self.touch_lane(key);
        if full && let Origin::Client { client, .. } = outgoing.origin {
            self.hold_client_for(key, client);
        }
        Some(id)
    }

    /// Who waits for the answer to a client's frame; counts it as in flight.
    pub(in crate::engine) fn client_origin(&mut self, client: ClientKey, frame: &[u8]) -> Origin {
        let stream = match frame {
            [_, _, high, low, ..] => i16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        if let Some(entry) = self.clients.get_mut(client) {
            entry.in_flight += 1;
        }
        Origin::Client { client, stream, purpose: Purpose::Forward }
    }

    pub(in crate::engine) fn outgoing(&self, origin: Origin, opcode: Opcode) -> Outgoing {
        Outgoing {
            origin,
            home: self.home_of(origin),
            opcode,
            is_read: false,
            resent: 0,
            arrived_us: self.now_us,
            statement: None,
        }
    }

    /// The plain lanes with the rights of who asks; what we ask ourselves needs none.
    #[inline]
    pub(in crate::engine) fn home_of(&self, origin: Origin) -> PoolId {
        match origin {
            Origin::Client { client, .. } => {
                self.clients.get(client).map_or(PoolId::NOWHERE, |client| client.home)
            }
            Origin::InternalRequest(_) => PoolId::NOWHERE,
        }
    }

    pub(in crate::engine) fn pool_of(&self, client: ClientKey) -> PoolId {
        self.clients.get(client).map_or(PoolId::NOWHERE, |client| client.pool)
    }

    /// One request of a client has its answer.
    #[inline]
    pub(in crate::engine) fn leave(&mut self, client: ClientKey) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        if entry.paused {
            self.resume_if_possible(client);
        }
    }

    /// Counts a request of a client as ended.
    #[inline]
    pub(in crate::engine) fn on_ended(&mut self, opcode: Opcode, outcome: Outcome) {
        self.tally.on_ended(RequestKind::of(opcode), outcome);
    }
}

/// The parameters of a QUERY, whose text nobody looks at.
fn query_parameters(frame: &[u8]) -> Option<Parameters<'_>> {
    let mut reader = Reader::new(frame.get(HEADER_LEN..)?);
    reader.bytes().ok()?;
    Parameters::read(&mut reader).ok()
}
