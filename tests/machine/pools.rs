//! Pools and logins beside an engine: who is asked about a credential, and which nodes get lanes.

use std::net::SocketAddr;
use std::sync::Arc;

use cql::error_code::ErrorCode;
use cql::notation::put_bytes;
use cql::opcode::Opcode;
use cql::token::shard::ShardId;
use shardlane::engine::action::{Action, Output};
use shardlane::engine::client::ClientKey;
use shardlane::engine::engine::Engine;
use shardlane::engine::pending::LaneKey;
use shardlane::pool::action::{DialOrder, PoolAction};
use shardlane::pool::backoff::BackoffSettings;
use shardlane::pool::connection::{
    Connection, DialFailure, FailureKind, Hello, Refused, ServerError,
};
use shardlane::pool::credential_book::CredentialBook;
use shardlane::pool::failover::FailoverSettings;
use shardlane::pool::lane_slots::Wanted;
use shardlane::pool::logins::LoginSettings;
use shardlane::pool::node_state::NodeStates;
use shardlane::pool::node_target::{NodeTarget, ShardPort};
use shardlane::pool::pool_manager::{PoolManager, PoolSettings, PoolShared};
use shardlane::pool::refiller::ShardPortSettings;
use shardlane::topology::id::NodeId;

use crate::support::frames::{frame, startup};
use crate::support::rig::{settings, snapshot};

const PLAIN: &[u8] = b"\0bob\0pw";
/// No name and password: who logs in by it keeps the connection.
const ODD: &[u8] = b"ticket";
const RECHECK_MS: u64 = 60_000;

/// A worker's engine and pools, whose connections are opened by hand.
struct Shell {
    engine: Engine,
    pools: PoolManager,
    now_us: u64,
    orders: Vec<DialOrder>,
    lanes: Vec<LaneKey>,
    closed: Vec<ClientKey>,
}

fn target(node: u16) -> NodeTarget {
    let address = SocketAddr::from(([127, 0, 0, node as u8 + 1], 9042));
    NodeTarget { node: NodeId(node), host: None, address, shard_port: ShardPort::AsAdvertised }
}

impl Shell {
    /// Clients log in; lanes go to the first nodes of `local`, so many as `failover` says.
    fn new(failover: FailoverSettings, local: &[u16], remote: &[u16]) -> Self {
        let settings_of_pools = PoolSettings {
            lanes: Wanted::One,
            keyspace_lanes: Wanted::One,
            ports: ShardPortSettings {
                shard_aware: false,
                default: None,
                proxy_protocol: None,
                block_ms: 0,
            },
            backoff: BackoffSettings::default(),
            failover,
            logins: LoginSettings { runs_max: 8, recheck_ms: RECHECK_MS },
        };
        let shared = PoolShared {
            nodes: Arc::new(NodeStates::default()),
            book: Arc::new(CredentialBook::new(8)),
            credential: None,
        };
        let mut shell = Self {
            engine: Engine::new(settings(), snapshot(1, 4)),
            pools: PoolManager::new(settings_of_pools, shared, 7, 1_000_000),
            now_us: 1_000_000,
            orders: Vec::new(),
            lanes: Vec::new(),
            closed: Vec::new(),
        };
        let (local, remote) = (targets(local), targets(remote));
        shell.input(|pools, engine| {
            pools.on_authenticator(engine, Some("Authenticator".into()), &[]);
            pools.on_nodes(engine, local, remote);
        });
        shell
    }

    fn input(&mut self, feed: impl FnOnce(&mut PoolManager, &mut Engine)) {
        self.engine.on_time(self.now_us);
        self.pools.on_time(self.now_us);
        feed(&mut self.pools, &mut self.engine);
        loop {
            if let Some(action) = self.pools.take_action() {
                match action {
                    PoolAction::Dial(order) => self.orders.push(order),
                    PoolAction::Serve { lane, .. } => self.lanes.push(lane),
                    PoolAction::Close(lane) => self.lanes.retain(|known| *known != lane),
                    PoolAction::Drop(id) => self.orders.retain(|order| order.id != id),
                    _ => {}
                }
                continue;
            }
            match self.engine.take_output() {
                Some(Output::Action(action)) => {
                    let rest = self.pools.on_engine_action(&mut self.engine, action);
                    if let Some(Action::CloseClient(client)) = rest {
                        self.closed.push(client);
                    }
                }
                Some(Output::LaneBytes(_) | Output::ClientBytes(_)) => {}
                None => return,
            }
        }
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now_us += ms * 1_000;
        self.input(|pools, engine| pools.on_deadline(engine));
    }

    /// A client that has sent this token.
    fn client(&mut self, token: &[u8]) -> ClientKey {
        let address = SocketAddr::from(([127, 0, 0, 1], 9042));
        let mut client = None;
        self.input(|_, engine| client = engine.on_client_open(address));
        let client = client.unwrap();
        let response = frame((4, 0, 1), Opcode::AuthResponse, |out| put_bytes(out, Some(token)));
        for mut bytes in [startup(4, None), response] {
            self.input(|_, engine| engine.on_client_bytes(client, &mut bytes));
        }
        client
    }

    /// The one connection that is to be opened.
    fn order(&mut self) -> DialOrder {
        assert_eq!(self.orders.len(), 1, "{:?}", self.orders);
        self.orders.remove(0)
    }

    fn open(&mut self, order: &DialOrder) {
        let connection = Connection {
            node: order.target.node,
            shard: ShardId(0),
            sharder: None,
            lwt_mask: 0,
            metadata_ids: false,
            is_cassandra: false,
            compression: None,
            shard_aware_port: None,
            success: Some(vec![0xff; 4]),
        };
        self.input(|pools, engine| pools.on_dialled(engine, order.id, Ok(connection)));
    }

    fn fail(&mut self, order: &DialOrder, kind: FailureKind) {
        let failure = DialFailure { kind, reason: "no".to_owned(), fix: String::new() };
        self.input(|pools, engine| pools.on_dialled(engine, order.id, Err(failure)));
    }

    /// The nodes of our data center answer nothing, node 3 does.
    fn play_far_away(&mut self) {
        while let Some(order) = self.orders.pop() {
            if order.target == target(3) {
                self.open(&order);
            } else {
                self.fail(&order, FailureKind::Broken);
            }
        }
    }

    fn refuse(&mut self, order: &DialOrder) {
        let message = "Username and/or password are incorrect".to_owned();
        let error = ServerError { code: ErrorCode::BAD_CREDENTIALS, message, body: [].into() };
        self.fail(order, FailureKind::Refused(Refused::Login, error));
    }
}

fn targets(nodes: &[u16]) -> Vec<NodeTarget> {
    nodes.iter().map(|node| target(*node)).collect()
}

/// A client that has logged in where lanes go to one of three nodes, which then refuses its
/// credential; and the question to another.
fn doubted() -> (Shell, ClientKey, DialOrder) {
    let failover = FailoverSettings { local_nodes_max: 1, ..FailoverSettings::default() };
    let mut shell = Shell::new(failover, &[0, 1, 2], &[]);
    let client = shell.client(PLAIN);
    let login = shell.order();
    shell.open(&login);
    shell.pass_ms(RECHECK_MS);
    let recheck = shell.order();
    assert_eq!(recheck.target, target(0), "the only node that is used");
    shell.refuse(&recheck);
    shell.pass_ms(RECHECK_MS / 4);
    let second = shell.order();
    assert!(matches!(second.hello, Hello::Recheck(_)), "{second:?}");
    assert_ne!(second.target, target(0), "its opinion is known");
    (shell, client, second)
}

#[test]
fn the_only_node_that_is_used_withdraws_no_credential_that_another_takes() {
    let (mut shell, _, second) = doubted();
    shell.open(&second);
    shell.pass_ms(RECHECK_MS / 4);
    assert!(shell.closed.is_empty() && shell.pools.has_lanes());
}

#[test]
fn a_credential_is_withdrawn_once_a_node_without_lanes_refuses_it_too() {
    let (mut shell, client, second) = doubted();
    shell.refuse(&second);
    assert_eq!(shell.closed, [client]);
    assert!(!shell.pools.has_lanes());
}

#[test]
fn a_credential_is_withdrawn_when_no_other_node_can_be_asked() {
    let (mut shell, client, second) = doubted();
    shell.fail(&second, FailureKind::Broken);
    let third = shell.order();
    shell.fail(&third, FailureKind::Broken);
    let first = shell.order();
    assert_eq!(first.target, target(0));
    shell.refuse(&first);
    assert_eq!(shell.closed, [client]);
}

#[test]
fn the_connection_of_a_single_client_to_another_data_center_keeps_no_failover_going() {
    let failover =
        FailoverSettings { remote_nodes_max: 1, after_ms: 500, ..FailoverSettings::default() };
    let mut shell = Shell::new(failover, &[0], &[3]);
    shell.client(PLAIN);
    let login = shell.order();
    shell.open(&login);
    let lane = shell.lanes.remove(0);
    shell.input(|pools, engine| pools.on_lane_lost(engine, lane));
    shell.play_far_away();
    shell.pass_ms(500);
    shell.play_far_away();
    assert!(shell.pools.failover().is_active());
    shell.client(ODD);
    shell.play_far_away();
    assert_eq!(shell.lanes.len(), 2, "one of them is the client's own");

    let shared = shell.lanes.remove(0);
    shell.input(|pools, engine| pools.on_lane_lost(engine, shared));
    let base = shell.pools.open_pools().next().unwrap();
    shell.input(|_, engine| engine.on_credential_revoked(base));
    assert_eq!(shell.lanes.len(), 1);
    assert!(shell.orders.is_empty());
    shell.pass_ms(100);
    assert!(!shell.pools.failover().is_active(), "no lane is wanted");
    shell.client(PLAIN);
    let login = shell.order();
    assert_eq!(login.target, target(0));
    shell.fail(&login, FailureKind::Broken);
    assert!(shell.orders.is_empty(), "the other data center is not asked");
}
