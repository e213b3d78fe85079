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
use shardlane::pool::connection::{
    Connection, DialFailure, FailureKind, Hello, NodeError, RefusedStep,
};
use shardlane::pool::login::credential_book::CredentialBook;
use shardlane::pool::login::logins::LoginSettings;
use shardlane::pool::nodes::failover::FailoverSettings;
use shardlane::pool::nodes::node_state::NodeStates;
use shardlane::pool::nodes::node_target::{NodeTarget, ShardPort};
use shardlane::pool::pool_manager::{PoolManager, PoolSettings, PoolShared};
use shardlane::pool::refill::backoff::BackoffSettings;
use shardlane::pool::refill::lane_slots::WantedLanes;
use shardlane::pool::refill::refiller::ShardPortSettings;
use shardlane::topology::id::NodeId;

use crate::support::frames::{client_frame, startup};
use crate::support::rig::{settings, snapshot};

pub(crate) const PLAIN: &[u8] = b"\0bob\0pw";
/// No name and password: who logs in by it keeps the connection.
pub(crate) const ODD: &[u8] = b"ticket";
const RECHECK_MS: u64 = 60_000;

/// A worker's engine and pools, whose connections are opened by hand.
pub(crate) struct Shell {
    engine: Engine,
    pub(crate) pools: PoolManager,
    now_us: u64,
    pub(crate) orders: Vec<DialOrder>,
    pub(crate) lanes: Vec<LaneKey>,
    closed: Vec<ClientKey>,
}

pub(crate) fn target(node: u16) -> NodeTarget {
    let address = SocketAddr::from(([127, 0, 0, node as u8 + 1], 9042));
    NodeTarget { node: NodeId(node), host: None, address, shard_port: ShardPort::AsAdvertised }
}

impl Shell {
    /// Clients log in; lanes go to the first nodes of `local`, so many as `failover` says.
    pub(crate) fn new(failover: FailoverSettings, local: &[u16], remote: &[u16]) -> Self {
        let settings_of_pools = PoolSettings {
            lanes: WantedLanes::One,
            keyspace_lanes: WantedLanes::One,
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

    pub(crate) fn input(&mut self, feed: impl FnOnce(&mut PoolManager, &mut Engine)) {
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

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now_us += ms * 1_000;
        self.input(|pools, engine| pools.on_deadline(engine));
    }

    /// A client that has sent this token.
    pub(crate) fn client(&mut self, token: &[u8]) -> ClientKey {
        self.client_at([127, 0, 0, 1], token)
    }

    /// The same at another address.
    fn client_at(&mut self, peer: [u8; 4], token: &[u8]) -> ClientKey {
        let address = SocketAddr::from(([127, 0, 0, 1], 9042));
        let mut client = None;
        self.input(|_, engine| client = engine.on_client_open(address));
        let client = client.unwrap();
        self.input(|_, engine| engine.on_client_named(client, SocketAddr::from((peer, 40_000))));
        let response = client_frame(1, Opcode::AuthResponse, |out| put_bytes(out, Some(token)));
        for mut bytes in [startup(4, None), response] {
            self.input(|_, engine| engine.on_client_bytes(client, &mut bytes));
        }
        client
    }

    /// The one connection that is to be opened.
    pub(crate) fn order(&mut self) -> DialOrder {
        assert_eq!(self.orders.len(), 1, "{:?}", self.orders);
        self.orders.remove(0)
    }

    pub(crate) fn open(&mut self, order: &DialOrder) {
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

    pub(crate) fn fail(&mut self, order: &DialOrder, kind: FailureKind) {
        let failure = DialFailure { kind, reason: "no".to_owned(), hint: String::new() };
        self.input(|pools, engine| pools.on_dialled(engine, order.id, Err(failure)));
    }

    /// The nodes of our data center answer nothing, node 3 does.
    pub(crate) fn play_far_away(&mut self) {
        while let Some(order) = self.orders.pop() {
            if order.target == target(3) {
                self.open(&order);
            } else {
                self.fail(&order, FailureKind::Broken);
            }
        }
    }

    pub(crate) fn refuse(&mut self, order: &DialOrder) {
        let message = "Username and/or password are incorrect".to_owned();
        let error = NodeError { code: ErrorCode::BAD_CREDENTIALS, message, body: [].into() };
        self.fail(order, FailureKind::Refused(RefusedStep::Login, error));
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

/// Whether the token of a login is one that has lanes, and which.
fn login_of(order: &DialOrder) -> Option<(&[u8], bool)> {
    match &order.hello {
        Hello::Login { token, is_known } => Some((token.reveal(), *is_known)),
        Hello::Lane { .. } | Hello::Recheck(_) => None,
    }
}

fn unverified_logins(shell: &mut Shell, count: usize) {
    for number in 0..count {
        shell.client(format!("ticket {number}").as_bytes());
    }
}

/// A client's credential has lanes, and unverified logins hold all places that they may.
fn beset() -> Shell {
    let mut shell = Shell::new(FailoverSettings::default(), &[0], &[]);
    shell.client(PLAIN);
    let login = shell.order();
    shell.open(&login);
    unverified_logins(&mut shell, 30);
    shell
}

#[test]
fn a_login_whose_credential_has_lanes_does_not_wait_behind_unverified_ones() {
    let mut shell = beset();
    assert_eq!(shell.orders.len(), 4, "half of the places are kept");
    shell.client(PLAIN);
    assert_eq!(shell.orders.last().and_then(login_of), Some((PLAIN, true)));
    let login = shell.orders.pop().unwrap();
    shell.open(&login);
    for _ in 0..4 {
        shell.client(PLAIN);
    }
    // Beyond all places it is the first one that waits.
    assert_eq!(shell.orders.len(), 8);
    shell.client(PLAIN);
    let unverified = shell.orders.remove(0);
    shell.refuse(&unverified);
    assert_eq!(shell.orders.last().and_then(login_of), Some((PLAIN, true)));
}

#[test]
fn known_clients_that_come_again_and_again_keep_no_unverified_login_out() {
    let mut shell = Shell::new(FailoverSettings::default(), &[0], &[]);
    shell.client(PLAIN);
    let login = shell.order();
    shell.open(&login);
    for _ in 0..12 {
        shell.client(PLAIN);
    }
    let ann = b"\0ann\0pw".to_vec();
    shell.client(&ann);
    assert_eq!(shell.orders.len(), 8, "four of twelve and ann wait");
    let login = shell.orders.remove(0);
    shell.open(&login);
    assert_eq!(shell.orders.last().and_then(login_of), Some((&*ann, false)));
}

#[test]
fn logins_whose_credentials_have_lanes_have_turns_by_their_role() {
    let mut shell = Shell::new(FailoverSettings::default(), &[0], &[]);
    let ann: &[u8] = b"\0ann\0pw";
    for token in [PLAIN, ann] {
        shell.client(token);
        let login = shell.order();
        shell.open(&login);
    }
    // From now on equal tokens are no equal logins.
    shell.client(ODD);
    let challenged = shell.order();
    shell.input(|pools, engine| pools.on_challenged(engine, challenged.id, b"who?"));
    for _ in 0..12 {
        shell.client(PLAIN);
    }
    shell.client(ann);
    assert_eq!(shell.orders.len(), 8, "four of twelve and ann wait");
    for _ in 0..2 {
        let login = shell.orders.remove(0);
        shell.open(&login);
    }
    let has_turn = |order| login_of(order) == Some((ann, true));
    assert!(shell.orders.iter().any(has_turn), "four wait before her: {:?}", shell.orders);
}

/// The tokens of the next logins, when as many unverified logins are refused.
fn next_after_refusals(shell: &mut Shell, count: usize) -> Vec<Vec<u8>> {
    let refuse = |_| {
        let unverified = shell.orders.remove(0);
        shell.refuse(&unverified);
        shell.orders.last().and_then(login_of).unwrap().0.to_vec()
    };
    (0..count).map(refuse).collect()
}

#[test]
fn unverified_logins_have_turns_by_the_role_that_they_name() {
    let mut shell = beset();
    let ann = b"\0ann\0pw".to_vec();
    shell.client(&ann);
    let next = next_after_refusals(&mut shell, 2);
    assert!(next.contains(&ann), "26 wait before her: {next:?}");
}

#[test]
fn unverified_logins_have_turns_by_their_address_whatever_roles_they_name() {
    let mut shell = beset();
    for number in 0..30 {
        shell.client(format!("\0guess{number}\0pw").as_bytes());
    }
    shell.client_at([10, 0, 0, 2], b"ticket of another");
    let next = next_after_refusals(&mut shell, 2);
    assert!(next.contains(&b"ticket of another".to_vec()), "56 wait before: {next:?}");
}

#[test]
fn a_client_that_owes_the_answer_to_a_challenge_holds_no_place() {
    let mut shell = beset();
    let ann = b"\0ann\0pw".to_vec();
    shell.client(&ann);
    let mut challenged = Vec::new();
    while !shell.orders.iter().filter_map(login_of).any(|(token, _)| token == ann) {
        let next = shell.orders.iter().map(|order| order.id).find(|id| !challenged.contains(id));
        let id = next.expect("none waits for a node, and ann for none");
        challenged.push(id);
        shell.input(|pools, engine| pools.on_challenged(engine, id, b"who?"));
    }
    assert!(challenged.len() <= 6, "{} unverified logins were before her", challenged.len());
}

#[test]
fn of_many_that_owe_the_answer_to_a_challenge_the_first_give_way() {
    let mut shell = Shell::new(FailoverSettings::default(), &[0], &[]);
    unverified_logins(&mut shell, 40);
    let mut challenged = Vec::new();
    for number in 0..40 {
        let next = shell.orders.iter().map(|order| order.id).find(|id| !challenged.contains(id));
        let id = next.unwrap_or_else(|| panic!("no place for unverified login {number}"));
        challenged.push(id);
        shell.input(|pools, engine| pools.on_challenged(engine, id, b"who?"));
    }
    let left: Vec<_> = shell.orders.iter().map(|order| order.id).collect();
    assert_eq!(left, challenged[8..]);
}

#[test]
fn a_challenge_is_waited_for_where_no_other_login_waits() {
    let mut shell = Shell::new(FailoverSettings::default(), &[0], &[]);
    unverified_logins(&mut shell, 4);
    let held: Vec<_> = shell.orders.iter().map(|order| order.id).collect();
    for id in &held {
        shell.input(|pools, engine| pools.on_challenged(engine, *id, b"who?"));
    }
    shell.pass_ms(4_000);
    assert_eq!(shell.orders.len(), 4);
}
