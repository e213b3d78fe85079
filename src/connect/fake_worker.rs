//! A worker without clients, for tests of dialling: pools, an engine that knows their lanes, and sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::connect::dial_report::DialReport;
use crate::connect::dial_tasks::{Dialing, DialingSettings};
use crate::connect::dialer::{DialSettings, Dialer};
use crate::connect::handshake::put_query;
use crate::connect::handshake_budget::HandshakeBudget;
use crate::engine::action::Output;
use crate::engine::engine::Engine;
use crate::engine::limits::Limits;
use crate::engine::pending::LaneKey;
use crate::engine::settings::{ConsoleSettings, EngineSettings};
use crate::platform::clock;
use crate::pool::action::{PoolAction, PoolNotice};
use crate::pool::connection::{Connection, DialId};
use crate::pool::login::credential::Credential;
use crate::pool::login::credential_book::CredentialBook;
use crate::pool::login::logins::LoginSettings;
use crate::pool::nodes::failover::FailoverSettings;
use crate::pool::nodes::node_state::NodeStates;
use crate::pool::nodes::node_target::NodeTarget;
use crate::pool::pool_manager::{PoolManager, PoolSettings, PoolShared};
use crate::pool::refill::backoff::BackoffSettings;
use crate::pool::refill::lane_slots::WantedLanes;
use crate::sockets::transport::Transport;
use crate::topology::snapshot::Snapshot;
use cql::frame::{FrameHead, write_frame};
use cql::notation::put_string_map;
use cql::opcode::Opcode;
use cql::statement::name::quoted;

/// Pools, an engine, and what dials for them.
pub(crate) struct FakeWorker {
    pub(crate) pools: PoolManager,
    pub(crate) engine: Engine,
    pub(crate) nodes: Arc<NodeStates>,
    /// Lanes that are up.
    pub(crate) lanes: BTreeMap<usize, (LaneKey, Connection, Transport)>,
    pub(crate) notices: Vec<PoolNotice>,
    /// Tries that failed.
    pub(crate) failures: usize,
    dialing: Dialing,
    reports: Receiver<DialReport>,
    opened: BTreeMap<DialId, Connection>,
}

impl FakeWorker {
    /// A worker without nodes.
    pub(crate) fn new(
        dial: DialSettings,
        backoff: BackoffSettings,
        credential: Option<Arc<Credential>>,
    ) -> Self {
        let nodes = Arc::new(NodeStates::default());
        let settings = PoolSettings {
            lanes: dial.lanes,
            keyspace_lanes: WantedLanes::One,
            ports: dial.shard_ports(),
            backoff,
            failover: FailoverSettings::default(),
            logins: LoginSettings::default(),
        };
        let book = Arc::new(CredentialBook::new(4));
        let shared = PoolShared { nodes: Arc::clone(&nodes), book, credential };
        let (dialing, reports) = Dialing::new(DialingSettings {
            dialer: Arc::new(Dialer::new(dial)),
            lanes: Arc::new(HandshakeBudget::new(Arc::clone(&nodes))),
            logins: Arc::new(HandshakeBudget::new(Arc::clone(&nodes))),
        });
        let engine = EngineSettings {
            limits: Limits::default(),
            rack: None,
            some_nodes: false,
            tablet_samples_per_s: 100,
            routes_texts: true,
            runs_shapes: false,
            asks_to_prepare: true,
            has_peers: false,
            compression_offered: Vec::new(),
            console: ConsoleSettings::default(),
            prefetch_tablets: true,
            tablets_reread_us: 600_000_000,
        };
        Self {
            pools: PoolManager::new(settings, shared, 7, clock::now_us()),
            engine: Engine::new(engine, Arc::new(Snapshot::default())),
            nodes,
            lanes: BTreeMap::new(),
            notices: Vec::new(),
            failures: 0,
            dialing,
            reports,
            opened: BTreeMap::new(),
        }
    }

    /// Takes the nodes that get lanes.
    pub(crate) fn use_nodes(&mut self, targets: Vec<NodeTarget>) {
        self.tick();
        self.pools.on_nodes(&mut self.engine, targets, Vec::new());
        self.carry_out();
    }

    /// Opens lanes of a keyspace, as when a client says `USE`.
    pub(crate) fn use_keyspace(&mut self, keyspace: &str) {
        self.tick();
        let client = self.engine.on_client_open(([127, 0, 0, 1], 9042).into()).unwrap();
        let mut bytes = Vec::new();
        write_frame(
            &mut bytes,
            FrameHead { version: 4, flags: 0, stream: 0 },
            Opcode::Startup,
            |out| {
                put_string_map(out, &[("CQL_VERSION", "3.0.0")]);
            },
        );
        write_frame(
            &mut bytes,
            FrameHead { version: 4, flags: 0, stream: 1 },
            Opcode::Query,
            |out| {
                put_query(out, &format!("USE {}", quoted(keyspace)));
            },
        );
        self.engine.on_client_bytes(client, &mut bytes);
        self.carry_out();
    }

    /// A lane's socket is gone.
    pub(crate) fn lose(&mut self, lane: LaneKey) {
        self.tick();
        self.pools.on_lane_lost(&mut self.engine, lane);
        self.carry_out();
    }

    /// Takes reports, and lets time pass, until `done`.
    pub(crate) async fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end_ms = clock::now_ms() + 20_000;
        while !done(self) {
            assert!(clock::now_ms() < end_ms, "in vain: {what}");
            self.step().await;
        }
    }

    /// Runs for `rest`.
    pub(crate) async fn run_for(&mut self, rest: Duration) {
        let end_us = clock::now_us() + u64::try_from(rest.as_micros()).unwrap();
        while clock::now_us() < end_us {
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let report = timeout(Duration::from_millis(5), self.reports.recv()).await;
        self.tick();
        match report {
            Ok(Some(DialReport::Ended(id, result))) => {
                self.failures += usize::from(result.is_err());
                let result = self.dialing.on_ended(id, result);
                if let Ok(connection) = &result {
                    self.opened.insert(id, connection.clone());
                }
                self.pools.on_dialled(&mut self.engine, id, result);
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => self.pools.on_deadline(&mut self.engine),
        }
        self.carry_out();
    }

    fn tick(&mut self) {
        let now_us = clock::now_us();
        self.engine.on_time(now_us);
        self.pools.on_time(now_us);
    }

    fn carry_out(&mut self) {
        loop {
            if let Some(output) = self.engine.take_output() {
                if let Output::Action(action) = output {
                    self.pools.on_engine_action(&mut self.engine, action);
                }
                continue;
            }
            let Some(action) = self.pools.take_action() else { return };
            match action {
                PoolAction::Dial(order) => self.dialing.start(order),
                PoolAction::Drop(id) => self.dialing.drop(id),
                PoolAction::Serve { id, lane } => {
                    let connection = self.opened.remove(&id).unwrap();
                    let stream = self.dialing.take(id).unwrap();
                    self.lanes.insert(lane.index(), (lane, connection, stream));
                }
                PoolAction::Close(lane) => {
                    self.lanes.remove(&lane.index());
                }
                PoolAction::Log(notice) => self.notices.push(notice),
                PoolAction::Answer { .. } | PoolAction::LoggedIn => {}
            }
        }
    }
}
