//! Opens the connections that pools order: simulated sockets, the product's own budget of handshakes.

use crate::agenda::Event;
use crate::model::credentials::Credential;
use crate::model::frames::Frame;
use crate::network::link::{End, LaneEnd};
use crate::proxy::greeting::{Greeted, Refused};
use crate::proxy::lanes::WorkerRefiller;
use crate::world::World;
use cql::error_code::ErrorCode;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::action::DialOrder;
use shardlane::pool::connection::{
    Connection, DialFailure, DialId, FailureKind, Hello, NodeError, RefusedStep,
};
use shardlane::pool::refill::handshake_turns::Whose;
use shardlane::session::sasl::SaslToken;

/// A connection to a silent node is given up after this; longer after failures.
const CONNECT_US: u64 = 5_000_000;
/// A client that does not answer a challenge is given up after this.
const HANDSHAKE_US: u64 = 5_000_000;

/// A login that a directory refuses takes so long: longer than any login waits that has a place kept.
const REFUSED_US: u64 = 1_000_000;

/// Names a connection of a worker.
pub(crate) type DialKey = (usize, DialId);

/// A connection that is no lane yet.
#[derive(Debug)]
pub(crate) struct SimDial {
    pub(crate) node: usize,
    pub(crate) order: DialOrder,
    state: State,
    /// Whether its node said nothing when it began.
    is_silent: bool,
}

#[derive(Debug)]
enum State {
    /// Others shake hands with the node.
    Waits,
    /// It shakes hands.
    Dials,
    /// The node asks on; the client has to answer.
    Challenged { greeted: Greeted, challenge: Vec<u8> },
    /// It is ready.
    Open(Greeted, Option<Credential>),
}

impl SimDial {
    fn is_login(&self) -> bool {
        !matches!(self.order.hello, Hello::Lane { .. })
    }

    fn has_turn(&self) -> bool {
        matches!(self.state, State::Dials)
    }

    /// Whether it shakes hands with a node now.
    pub(crate) fn shakes_hands_with(&self, node: usize, login: bool) -> bool {
        self.has_turn() && self.node == node && self.is_login() == login
    }

    /// Whether it waits for its turn with a node.
    pub(crate) fn waits_for(&self, node: usize, login: bool) -> bool {
        matches!(self.state, State::Waits) && self.node == node && self.is_login() == login
    }

    /// Whether it holds the turn of a login, and its node says nothing.
    fn holds_turn_in_vain(&self, node: usize) -> bool {
        self.is_silent && self.shakes_hands_with(node, true)
    }

    /// Whether its node said nothing when it began.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent && self.has_turn()
    }

    /// Whether it is ready.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(..))
    }
}

impl World {
    /// A worker's pools want a connection.
    pub(crate) fn on_dial_order(&mut self, worker: usize, order: DialOrder) {
        self.check_login_turn(&order);
        let address = order.target.address.ip();
        let node = self.cluster.members.iter().position(|member| member.address == address);
        let node = node.unwrap_or(usize::MAX);
        if let Hello::Lane { pool, key } = &order.hello {
            let refiller = WorkerRefiller { worker, pool: pool.0, node };
            self.lost_us.remove(&refiller);
            self.check_called_for(refiller, order.dial);
            self.check_port_may_be_dialled(refiller, order.dial);
            if key.keyspace.is_some() {
                self.check_probe(refiller);
            }
        }
        let key = (worker, order.id);
        let dial = SimDial { node, order, state: State::Waits, is_silent: false };
        let (login, whose) = (dial.is_login(), dial.order.hello.whose());
        self.dials.insert(key, dial);
        let turn = self.turns.entry((node, login)).or_default().ask(key, whose);
        if turn.is_some() {
            self.begin_dial(key);
        }
    }

    fn begin_dial(&mut self, key: DialKey) {
        let now = self.now_us;
        if let Some(dial) = self.dials.get_mut(&key) {
            dial.state = State::Dials;
        }
        let Some(dial) = self.dials.get(&key) else { return };
        let (node, login, failures) = (dial.node, dial.is_login(), dial.order.failures);
        let refused_us = if self.is_refused_slowly(&dial.order.hello) { REFUSED_US } else { 0 };
        let latency = self.scenario.latency_us;
        let trips = if login { 8 } else { 6 };
        let greeting = latency * trips + self.chance.below(latency + 1);
        let silent = self.mood(node).is_cut_off(now);
        if let Some(dial) = self.dials.get_mut(&key) {
            dial.is_silent = silent;
        }
        let time = if silent { CONNECT_US << failures.min(3) } else { greeting + refused_us };
        self.agenda.plan(now + time, Event::Dialled { worker: key.0, id: key.1 });
        self.check_turns(node, login);
    }

    /// Whether a worker asks a node that says nothing whether a credential is still taken, or waits
    /// for its turn behind others that ask such a node something.
    pub(crate) fn asks_in_vain(&self, worker: usize) -> bool {
        self.dials.iter().any(|(key, dial)| {
            let asks = key.0 == worker && matches!(dial.order.hello, Hello::Recheck(_));
            asks && (dial.holds_turn_in_vain(dial.node)
                || dial.waits_for(dial.node, true)
                    && self.dials.values().any(|other| other.holds_turn_in_vain(dial.node)))
        })
    }

    /// A handshake is over: another has its turn.
    fn end_turn(&mut self, node: usize, login: bool, mut whose: Whose) {
        loop {
            let Some(turns) = self.turns.get_mut(&(node, login)) else { return };
            let Some((next, its)) = turns.on_ended(whose) else { return };
            whose = its;
            if self.dials.contains_key(&next) {
                return self.begin_dial(next);
            }
        }
    }

    /// A handshake comes to its end, or to a challenge.
    pub(crate) fn on_dialled(&mut self, key: DialKey) {
        let Some(dial) = self.dials.get(&key).filter(|dial| matches!(dial.state, State::Dials))
        else {
            return;
        };
        let (node, order) = (dial.node, dial.order.clone());
        let silent = self.mood(node).is_cut_off(self.now_us);
        let said = if silent { Err(Refused::Silent) } else { self.greet(node, &order) };
        match said {
            Ok((greeted, Some(challenge))) => {
                if let Some(dial) = self.dials.get_mut(&key) {
                    dial.state = State::Challenged { greeted, challenge: challenge.clone() };
                }
                self.end_turn(node, true, order.hello.whose());
                let at = self.now_us + HANDSHAKE_US;
                self.agenda.plan(at, Event::ChallengeEnds { worker: key.0, id: key.1 });
                self.counted.challenges += 1;
                self.pools_input(key.0, |pools, engine| {
                    pools.on_challenged(engine, key.1, &challenge);
                });
                self.flush(key.0);
            }
            Ok((greeted, None)) => {
                let credential = match &order.hello {
                    Hello::Lane { key, .. } | Hello::Recheck(key) => {
                        key.credential.as_ref().map(|credential| credential.token())
                    }
                    Hello::Login { token, .. } => Some(token.clone()),
                };
                let credential = credential.and_then(|token| Credential::of_token(token.reveal()));
                self.on_greeted(key, greeted, credential);
            }
            Err(refused) => self.on_no_connection(key, refused),
        }
    }

    /// A client answers a challenge.
    pub(crate) fn on_challenge_answered(&mut self, key: DialKey, token: &SaslToken) {
        let Some(dial) = self.dials.get_mut(&key) else { return };
        let State::Challenged { greeted, challenge } = &dial.state else { return };
        let (greeted, challenge) = (greeted.clone(), challenge.clone());
        let Hello::Login { token: name, .. } = &dial.order.hello else { return };
        let name = String::from_utf8_lossy(name.reveal()).into_owned();
        let credential = self.credentials.of_answer(&name, &challenge, token.reveal());
        match self.answer_challenge(&greeted, token.reveal()) {
            Ok(greeted) => self.on_greeted(key, greeted, credential),
            Err(refused) => self.on_no_connection(key, refused),
        }
    }

    /// A client has not answered a challenge in time.
    pub(crate) fn on_challenge_ends(&mut self, key: DialKey) {
        let dial = self.dials.get(&key);
        if dial.is_some_and(|dial| matches!(dial.state, State::Challenged { .. })) {
            self.on_no_connection(key, Refused::Silent);
        }
    }

    fn on_greeted(&mut self, key: DialKey, greeted: Greeted, credential: Option<Credential>) {
        let Some(dial) = self.dials.get_mut(&key) else { return };
        let had_turn = dial.has_turn();
        dial.state = State::Open(greeted.clone(), credential);
        self.counted.logins_taken += u64::from(matches!(dial.order.hello, Hello::Login { .. }));
        let (node, login, dialled) = (dial.node, dial.is_login(), dial.order.dial);
        let (of, whose) = (dial.order.target.node, dial.order.hello.whose());
        if let Hello::Lane { pool, .. } = &dial.order.hello {
            let of = (key.0, pool.0);
            self.note_probe(of, true);
        }
        self.note_port(node, dialled, &greeted);
        if had_turn {
            self.end_turn(node, login, whose);
        }
        let connection = Connection {
            node: of,
            shard: cql::token::shard::ShardId(greeted.shard),
            sharder: greeted.sharder,
            lwt_mask: greeted.lwt_mask,
            metadata_ids: greeted.metadata_ids,
            is_cassandra: false,
            compression: self.scenario.lane_compression,
            shard_aware_port: greeted.shard_aware_port,
            success: greeted.success,
        };
        self.pools_input(key.0, |pools, engine| pools.on_dialled(engine, key.1, Ok(connection)));
        self.flush(key.0);
    }

    fn on_no_connection(&mut self, key: DialKey, refused: Refused) {
        let Some(dial) = self.dials.remove(&key) else { return };
        if let State::Challenged { greeted, .. } = &dial.state {
            self.cluster.close(greeted.connection);
        }
        if dial.has_turn() {
            self.end_turn(dial.node, dial.is_login(), dial.order.hello.whose());
        }
        match &dial.order.hello {
            Hello::Lane { pool, .. } => {
                self.failed_us.insert(dial.node, self.now_us);
                self.narrate(format_args!("no lane to node {} for pool {}", dial.node, pool.0));
                let code = match &refused {
                    Refused::Said(frame) => frame.error().map(|(code, _)| ErrorCode(code)),
                    Refused::Silent | Refused::Login(_) => None,
                };
                // Any other word than this is none about the keyspace.
                let is_verdict = code == Some(ErrorCode::INVALID);
                self.note_probe((key.0, pool.0), !is_verdict);
            }
            Hello::Recheck(_) if matches!(refused, Refused::Silent) => {
                self.workers.get_mut(key.0).unknown_us = self.now_us;
            }
            Hello::Recheck(_) | Hello::Login { .. } => {}
        }
        let failure = failure_of(refused);
        self.pools_input(key.0, |pools, engine| pools.on_dialled(engine, key.1, Err(failure)));
        self.flush(key.0);
    }

    /// The pools give a connection up.
    pub(crate) fn drop_dial(&mut self, key: DialKey) {
        let Some(dial) = self.dials.remove(&key) else { return };
        match &dial.state {
            State::Waits | State::Dials => {}
            State::Challenged { greeted, .. } | State::Open(greeted, _) => {
                self.cluster.close(greeted.connection);
            }
        }
        if dial.has_turn() {
            self.end_turn(dial.node, dial.is_login(), dial.order.hello.whose());
        }
    }

    /// A connection is a lane from now on.
    pub(crate) fn serve_lane(&mut self, key: DialKey, lane: LaneKey) {
        let worker = key.0;
        let owner = self.workers.get(worker).pools.owner_of(lane);
        let Some(SimDial { node, state: State::Open(greeted, credential), .. }) =
            self.dials.remove(&key)
        else {
            return self.blame(format_args!("{key:?} is to be served, and is not open"));
        };
        let Some((refiller, serial)) = owner else { return self.cluster.close(greeted.connection) };
        let of = self
            .workers
            .get(worker)
            .pools
            .pool_key(shardlane::upstream::lane::PoolId(refiller.pool));
        let keyspace = of.and_then(|of| of.keyspace.as_ref()).map(ToString::to_string);
        let mut end = LaneEnd::new(worker, refiller.pool, node, greeted.shard, greeted.connection);
        end.key = Some(lane);
        end.serial = serial;
        end.dedicated = of.is_none();
        end.keyspace = keyspace;
        end.credential = credential;
        end.compression = self.scenario.lane_compression;
        end.metadata_ids = greeted.metadata_ids;
        (end.moved_us, end.used_us, end.opened_us) = (self.now_us, self.now_us, self.now_us);
        self.counted.dedicated += u64::from(end.dedicated);
        let keeper = end.refiller();
        if !end.dedicated {
            self.note_called_for(keeper, greeted.shard);
        }
        let id = self.new_link(End::Lane(Box::new(end)));
        let (shard, pool) = (greeted.shard, refiller.pool);
        self.narrate(format_args!("lane {id} to node {node} shard {shard} pool {pool}"));
        self.workers.get_mut(worker).lane_links.insert(lane, id);
        self.node_links.insert(greeted.connection, id);
        self.check_lane_may_open(id);
    }
}

fn failure_of(refused: Refused) -> DialFailure {
    let kind = match refused {
        Refused::Silent => FailureKind::Broken,
        Refused::Login(frame) => FailureKind::Refused(RefusedStep::Login, server_error(&frame)),
        Refused::Said(frame) => FailureKind::Refused(RefusedStep::Use, server_error(&frame)),
    };
    DialFailure { kind, reason: "the world says so".to_owned(), hint: String::new() }
}

fn server_error(frame: &Frame) -> NodeError {
    let (code, message) = frame.error().unwrap_or((0, String::new()));
    NodeError { code: ErrorCode(code), message, body: frame.body.clone().into() }
}
