//! Any order of events with several credentials: whatever happens to lanes and logins, no request
//! comes to a node with another client's rights.

use std::collections::BTreeMap;

use proptest::prelude::*;

use cql::notation::{Value, put_bytes, put_int, put_string};
use cql::opcode::Opcode;
use cql::request::execute::Execute;
use shardlane::engine::action::Action;
use shardlane::engine::client::ClientKey;
use shardlane::engine::pending::LaneKey;
use shardlane::engine::verdict::LoginVerdict;
use shardlane::upstream::lane::PoolId;

use crate::support::frames;
use crate::support::frames::{Frame, rows, unprepared};
use crate::support::rig::Rig;

const ID: [u8; 16] = [9; 16];
const USERS: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Join { user: usize },
    Leave { client: usize },
    Text { client: usize },
    Execute { client: usize },
    Use { client: usize, keyspace: u8 },
    Open { pool: usize, node: u16, shard: u16 },
    Lose { lane: usize },
    Answer { how: u8 },
    Revoke { user: usize },
    Time { us: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let byte = any::<u8>;
    let any = any::<usize>;
    prop_oneof![
        4 => any().prop_map(|user| Op::Join { user }),
        1 => any().prop_map(|client| Op::Leave { client }),
        6 => any().prop_map(|client| Op::Text { client }),
        6 => any().prop_map(|client| Op::Execute { client }),
        2 => (any(), 0u8..2).prop_map(|(client, keyspace)| Op::Use { client, keyspace }),
        8 => (any(), 0u16..3, 0u16..2).prop_map(|(pool, node, shard)| Op::Open { pool, node, shard }),
        4 => any().prop_map(|lane| Op::Lose { lane }),
        8 => byte().prop_map(|how| Op::Answer { how }),
        1 => any().prop_map(|user| Op::Revoke { user }),
        2 => prop_oneof![Just(1_000u64), Just(1_000_000), Just(61_000_000)]
            .prop_map(|us| Op::Time { us }),
    ]
}

struct World {
    rig: Rig,
    /// Each user's home, while it has one.
    homes: Vec<Option<PoolId>>,
    /// Pools that are open, with the user whose rights they have.
    pools: Vec<(PoolId, usize)>,
    lanes: Vec<(LaneKey, usize, PoolId)>,
    clients: Vec<(ClientKey, usize)>,
    /// The user who sent each number.
    origin: BTreeMap<u64, usize>,
    numbers: u64,
    /// Requests that nodes have not answered.
    open: Vec<(LaneKey, Frame)>,
    served: usize,
}

impl World {
    fn new() -> Self {
        let mut rig = Rig::with_limits(|limits| limits.lane_streams_max = 8);
        rig.input(|engine| engine.on_authenticator(Some("class".into())));
        Self {
            rig,
            homes: vec![None; USERS],
            pools: Vec::new(),
            lanes: Vec::new(),
            clients: Vec::new(),
            origin: BTreeMap::new(),
            numbers: 0,
            open: Vec::new(),
            served: 0,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Join { user } => self.join(user % USERS),
            Op::Leave { client } if !self.clients.is_empty() => {
                let (client, _) = self.clients.remove(client % self.clients.len());
                self.rig.leave(client);
            }
            Op::Text { client } => {
                self.ask(client, |stream, number| {
                    frames::query(stream, &format!("SELECT {number}"))
                });
            }
            Op::Execute { client } => {
                self.ask(client, |stream, number| {
                    frames::execute(stream, &ID, &number.to_be_bytes())
                });
            }
            Op::Use { client, keyspace } => {
                self.ask(client, |stream, _| frames::query(stream, &format!("USE ks{keyspace}")));
            }
            Op::Open { pool, node, shard } if !self.pools.is_empty() => {
                let (pool, user) = self.pools[pool % self.pools.len()];
                if let Some(lane) = self.rig.lane_of(pool, node, shard) {
                    self.lanes.push((lane, user, pool));
                }
            }
            Op::Lose { lane } if !self.lanes.is_empty() => {
                let (lane, ..) = self.lanes[lane % self.lanes.len()];
                self.lose(lane);
            }
            Op::Answer { how } => self.answer(how),
            Op::Revoke { user } => {
                if let Some(home) = self.homes[user % USERS] {
                    self.rig.input(|engine| engine.on_credential_revoked(home));
                }
            }
            Op::Time { us } => self.rig.pass_time(us),
            Op::Leave { .. } | Op::Open { .. } | Op::Lose { .. } => {}
        }
        self.settle();
    }

    fn join(&mut self, user: usize) {
        let client = self.rig.silent_client();
        self.rig.send(client, &frames::startup(4, None));
        let token = |out: &mut Vec<u8>| put_bytes(out, Some(&[user as u8]));
        self.rig.send(client, &frames::client_frame(0, Opcode::AuthResponse, token));
        let home = *self.homes[user].get_or_insert_with(|| {
            let home = self.rig.input(|engine| engine.open_base()).unwrap();
            self.pools.push((home, user));
            home
        });
        let verdict = LoginVerdict::Granted { base: home, success: &[0; 4] };
        self.rig.input(|engine| engine.on_verdict(client, verdict));
        self.clients.push((client, user));
    }

    fn ask(&mut self, client: usize, frame: impl Fn(i16, u64) -> Vec<u8>) {
        if self.clients.is_empty() {
            return;
        }
        let (client, user) = self.clients[client % self.clients.len()];
        self.numbers += 1;
        self.origin.insert(self.numbers, user);
        self.rig.send(client, &frame((self.numbers % 30_000) as i16, self.numbers));
    }

    fn lose(&mut self, lane: LaneKey) {
        self.lanes.retain(|(known, ..)| *known != lane);
        self.open.retain(|(on, _)| *on != lane);
        self.rig.lose(lane);
    }

    /// Does what was ordered, and looks at what came to the nodes.
    fn settle(&mut self) {
        while let Some(order) = self.rig.actions.pop_front() {
            match order {
                Action::OpenPool { pool, .. } => {
                    let home = self.rig.engine.base_of(pool);
                    let user = self.homes.iter().position(|known| *known == Some(home)).unwrap();
                    self.pools.push((pool, user));
                }
                Action::ClosePool(pool) => {
                    self.pools.retain(|(known, _)| *known != pool);
                    for home in self.homes.iter_mut().filter(|home| **home == Some(pool)) {
                        *home = None;
                    }
                    let of_set = self.lanes.iter().filter(|(.., of)| *of == pool);
                    for lane in of_set.map(|(lane, ..)| *lane).collect::<Vec<_>>() {
                        self.lose(lane);
                    }
                }
                Action::CloseLane(lane) => self.lose(lane),
                Action::CloseClient(client) => {
                    self.clients.retain(|(known, _)| *known != client);
                    self.rig.leave(client);
                }
                _ => {}
            }
        }
        for (client, _) in self.clients.clone() {
            self.rig.raw_answers(client);
        }
        for (lane, request) in self.rig.all_requests() {
            let (_, rights, _) = self.lanes.iter().find(|(known, ..)| *known == lane).unwrap();
            if let Some(number) = number_of(&request) {
                assert_eq!(self.origin[&number], *rights, "{request:?}");
                self.served += 1;
            }
            self.open.push((lane, request));
        }
    }

    fn answer(&mut self, how: u8) {
        if self.open.is_empty() {
            return;
        }
        let (lane, request) = self.open.remove(usize::from(how) % self.open.len());
        let stream = request.stream();
        match request.opcode() {
            Opcode::Execute if how.is_multiple_of(3) => {
                self.rig.error(lane, stream, &unprepared(&ID));
            }
            Opcode::Prepare => {
                let answer = frames::prepared(&ID, 0, "tab.t", b"columns");
                self.rig.result(lane, stream, &answer);
            }
            Opcode::Query if request.text().starts_with("USE") => {
                let mut body = Vec::new();
                put_int(&mut body, 3);
                put_string(&mut body, &request.text()[4..]);
                self.rig.result(lane, stream, &body);
            }
            _ => self.rig.result(lane, stream, &rows(b"")),
        }
    }
}

/// The number that a request carries.
fn number_of(frame: &Frame) -> Option<u64> {
    match frame.opcode() {
        Opcode::Query => frame.text().strip_prefix("SELECT ")?.parse().ok(),
        Opcode::Execute => {
            let execute = Execute::read(&frame.body).unwrap();
            match execute.parameters.values.iter().next().unwrap().unwrap().value {
                Value::Bytes(bytes) => Some(u64::from_be_bytes(bytes.try_into().unwrap())),
                other => panic!("{other:?}"),
            }
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn no_request_has_the_rights_of_another_client_whatever_happens(
        ops in proptest::collection::vec(op(), 0..200),
    ) {
        let mut world = World::new();
        world.join(0);
        world.apply(&Op::Open { pool: 0, node: 0, shard: 0 });
        let (client, _) = world.clients[0];
        world.rig.prepare_select(client, "tab", ID[0]);
        for op in &ops {
            world.apply(op);
        }
        // And who comes in after all that is served.
        world.join(1);
        let home = world.homes[1].unwrap();
        let lane = world.rig.lane_of(home, 2, 0).unwrap();
        world.lanes.push((lane, 1, home));
        let served = world.served;
        world.apply(&Op::Text { client: world.clients.len() - 1 });
        prop_assert!(world.served > served, "a client with a lane is served");
        world.rig.finish();
    }
}
