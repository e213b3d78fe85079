//! From what the operator set to what each part goes by.

use std::io;
use std::sync::Arc;

use crate::config::secret::Secret;
use crate::config::settings::{Settings, TextMode};
use crate::connect::dial_tasks::DialingSettings;
use crate::connect::dialer::{DialSettings, Dialer};
use crate::connect::handshake_budget::HandshakeBudget;
use crate::control::contact::opened_node::ReachSettings;
use crate::control::control::ControlSettings;
use crate::control::tables::routes::RouteSettings;
use crate::control::watch::ControlPace;
use crate::engine::limits::Limits;
use crate::engine::settings::EngineSettings;
use crate::platform::memory;
use crate::pool::login::credential::{Credential, plain_token};
use crate::pool::login::credential_book::CredentialBook;
use crate::pool::login::logins::LoginSettings;
use crate::pool::nodes::node_state::NodeStates;
use crate::pool::pool_manager::{PoolSettings, PoolShared};
use crate::pool::refill::lane_slots::WantedLanes;
use crate::server::rotation::Tls;
use crate::session::sasl::SaslToken;

/// Shard-aware port for TLS of nodes that do not report one.
const SHARD_AWARE_PORT_OF_TLS: u16 = 19_142;

/// The proxy's own credential, if it has one; its file is read now.
pub(crate) fn credential(settings: &Settings) -> io::Result<Option<Arc<Credential>>> {
    let token = secret_token(settings)?;
    Ok(token.map(|token| Arc::new(Credential::from_token(token))))
}

/// What the proxy's own role proves itself with, as its file says now.
pub(crate) fn secret_token(settings: &Settings) -> io::Result<Option<SaslToken>> {
    let (Some(user), Some(file)) = (&settings.username, &settings.password_file) else {
        return Ok(None);
    };
    let secret = Secret::read(file)?;
    let password = str::from_utf8(secret.reveal())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the password is not UTF-8"))?;
    Ok(Some(plain_token(user, password)))
}

/// How fast the connection that watches the cluster tries nodes.
pub(crate) fn pace(settings: &Settings) -> ControlPace {
    let connect_timeout_ms = settings.dial.connect_timeout_ms;
    ControlPace { backoff: settings.backoff, connect_timeout_ms }
}

/// What the control connection goes by.
#[must_use]
pub(crate) fn control(
    settings: &Settings,
    credential: Option<Arc<Credential>>,
    tls: &Tls,
    seed: u64,
) -> ControlSettings {
    let routes = RouteSettings {
        translations: settings.translate.clone(),
        connection_ids: settings.client_routes.clone(),
        tls: tls.nodes.is_some(),
        timeout_ms: settings.dial.connect_timeout_ms,
    };
    let reach = ReachSettings {
        client_routes: !settings.client_routes.is_empty(),
        contact_points: settings.contact_points.clone(),
        port: settings.port,
        credential,
        tls: tls.nodes.clone(),
        connect_timeout_ms: settings.dial.connect_timeout_ms,
        ..ReachSettings::default()
    };
    ControlSettings {
        reach,
        routes,
        data_center: settings.data_center.clone(),
        rack: settings.rack.clone(),
        table_reads: settings.tablets.reads,
        backoff: settings.backoff,
        seed,
        ..ControlSettings::default()
    }
}

/// The bounds, with the memory that the cgroup leaves where none is set.
#[must_use]
pub(crate) fn limits(settings: &Settings) -> Limits {
    let mut limits = settings.limits;
    if limits.memory_bytes_max == 0 {
        limits.memory_bytes_max = memory::cgroup_limit().map_or(0, |limit| limit / 4 * 3);
    }
    limits
}

/// What each engine goes by.
#[must_use]
pub(crate) fn engine(settings: &Settings) -> EngineSettings {
    let mut limits = limits(settings);
    if settings.dial.lanes == WantedLanes::One {
        limits.keyspace_lane_unused_us = 0;
    }
    EngineSettings {
        limits,
        rack: settings.rack.as_deref().map(Arc::from),
        some_nodes: settings.failover.local_nodes_max > 0,
        prefetch_tablets: settings.tablets.prefetch,
        tablets_reread_us: settings.tablets.reread_us,
        tablet_samples_per_s: settings.tablets.samples_per_s,
        routes_texts: settings.text_mode != TextMode::Off,
        runs_shapes: settings.text_mode == TextMode::Execute,
        asks_to_prepare: settings.asks_to_prepare,
        has_peers: settings.workers > 1,
        compression_offered: settings.compression_offered.clone(),
        console: settings.console.clone(),
    }
}

/// What dials the nodes.
#[must_use]
pub(crate) fn dialer(settings: &Settings, tls: &Tls) -> Dialer {
    let mut dial = settings.dial.clone();
    if tls.nodes.is_some() {
        dial.shard_aware_port_default = Some(SHARD_AWARE_PORT_OF_TLS);
    }
    Dialer::new(dial).with_tls(tls.nodes.clone())
}

/// What the pools of each worker go by.
#[must_use]
pub(crate) fn pools(settings: &Settings, dial: &DialSettings) -> PoolSettings {
    let is_on_demand =
        settings.limits.keyspace_lane_unused_us > 0 && dial.lanes != WantedLanes::One;
    PoolSettings {
        lanes: dial.lanes,
        keyspace_lanes: if is_on_demand { WantedLanes::ShardsInUse } else { WantedLanes::One },
        ports: dial.shard_ports(),
        backoff: settings.backoff,
        failover: settings.failover,
        logins: LoginSettings {
            recheck_ms: settings.auth_recheck_s.saturating_mul(1000),
            ..LoginSettings::default()
        },
    }
}

/// What opens the connections of all workers, and what their pools share.
#[must_use]
pub(crate) fn connecting(
    settings: &Settings,
    credential: Option<Arc<Credential>>,
    tls: &Tls,
) -> (DialingSettings, PoolShared) {
    let nodes = Arc::new(NodeStates::default());
    let dialing = DialingSettings {
        dialer: Arc::new(dialer(settings, tls)),
        lanes: Arc::new(HandshakeBudget::new(Arc::clone(&nodes))),
        logins: Arc::new(HandshakeBudget::new(Arc::clone(&nodes))),
    };
    let book = Arc::new(CredentialBook::new(settings.limits.credentials_max));
    (dialing, PoolShared { nodes, book, credential })
}
