//! What one node shows of the cluster: version, protocol, login, role, places, keyspaces.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::cli::doctor::finding::Findings;
use crate::config::settings::{AuthMode, Settings};
use crate::connect::dial_error::{DialError, DialErrorAt};
use crate::connect::dialer::{connect, secure};
use crate::connect::extensions::Extensions;
use crate::connect::handshake::{ask_options, start_up};
use crate::connect::hint;
use crate::control::contact::connection::ControlConnection;
use crate::control::contact::reach::Reached;
use crate::control::tables::metadata::{ClusterMetadata, KeyspaceRow};
use crate::pool::pool_key::PoolKey;
use crate::server::rotation::Tls;
use crate::sockets::transport::Transport;
use crate::topology::replication::Replication;
use cql::error_code::ErrorCode;
use cql::response::rows::Rows;
use cql::values::cell;

/// Protocol versions that drivers speak; 4 is the one of lanes.
const VERSIONS: [u8; 3] = [3, 4, 5];
/// Longest connect to a node that has just answered.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Prefix of the keyspaces of the server itself.
const OWN_KEYSPACES: &str = "system";

/// Looks at everything that a single node can show. `data_center` is the local one.
pub(crate) async fn examine(
    settings: &Settings,
    tls: &Tls,
    reached: &mut Reached,
    data_center: &str,
    findings: &mut Findings,
) {
    version(reached, findings).await;
    protocol(tls, reached, findings).await;
    encryption(settings, tls, reached, findings);
    login(settings, tls, reached, findings).await;
    permissions(settings, &mut reached.connection, findings).await;
    if settings.tablets.prefetch && reached.metadata.keyspaces.values().any(|it| it.tablets) {
        tablet_rights(settings, &mut reached.connection, findings).await;
    }
    places(settings, &reached.metadata, data_center, findings);
    for row in &reached.metadata.left_out {
        let hint = "wait until the node has joined; if it is gone for good, remove it (nodetool \
                   removenode)";
        findings.warn("cluster", format!("left out of system.peers: {row}"), hint);
    }
    for (name, keyspace) in &reached.metadata.keyspaces {
        if !name.starts_with(OWN_KEYSPACES) {
            tablets(name, keyspace, data_center, findings);
        }
    }
}

async fn version(reached: &mut Reached, findings: &mut Findings) {
    let own = reached.metadata.hosts.first();
    let release = own.and_then(|own| own.release_version.clone()).unwrap_or_default();
    let query = "SELECT version FROM system.versions WHERE key = 'local'";
    let scylla = first_text(&mut reached.connection, query).await;
    let text = match (scylla, reached.supported.sharding) {
        (Ok(Some(version)), _) => format!("ScyllaDB {version}, shown to drivers as {release}"),
        (_, Some(_)) => format!("ScyllaDB of an unknown version, shown to drivers as {release}"),
        (_, None) => {
            format!("{release}, without shards and tablets: requests go to the nodes of the ring")
        }
    };
    findings.ok("version", text);
}

async fn protocol(tls: &Tls, reached: &Reached, findings: &mut Findings) {
    let mut spoken = Vec::new();
    for version in VERSIONS {
        let Ok(mut stream) = open(tls, reached.address).await else { continue };
        if ask_options(&mut stream, version).await.is_ok() {
            spoken.push(format!("v{version}"));
        }
    }
    let compression = reached.supported.compression.iter();
    let compression: Vec<&str> = compression.map(|one| one.name()).collect();
    let extensions = Extensions::offered(&reached.supported);
    let extensions: Vec<&str> = extensions.options().map(|(key, _)| key).collect();
    let listed = |list: &[&str]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let text = format!(
        "{} offered, lanes speak v4; compression offered: {}; extensions taken: {}",
        spoken.join(", "),
        listed(&compression),
        listed(&extensions)
    );
    findings.ok("protocol", text);
    if reached.supported.sharding.is_some() && !reached.supported.tablets_v1 {
        let hint = "set enable_tablets in scylla.yaml, if tables are to have tablets";
        findings.warn("protocol", "no TABLETS_ROUTING_V1: no tablet can be learned", hint);
    }
}

/// Whether bytes are encrypted between us and the nodes.
fn encryption(settings: &Settings, tls: &Tls, reached: &Reached, findings: &mut Findings) {
    if tls.nodes.is_some() && !settings.node_tls.verify_name {
        let text = "on; the nodes' certificates may bear any name";
        let hint = "set tls.server_name to a name that they bear, and remove tls.verify_name";
        return findings.warn("tls", text, hint);
    }
    if tls.nodes.is_some() {
        return findings
            .ok("tls", "on; the node's certificate is of one of the CAs that are trusted");
    }
    let offered = match reached.supported.shard_aware_port_ssl {
        Some(port) => format!("; the nodes offer it at port {port}"),
        None => String::new(),
    };
    findings.ok("tls", format!("off{offered}"));
}

/// A new connection to a node that was reached before.
async fn open(tls: &Tls, address: SocketAddr) -> Result<Transport, DialErrorAt> {
    let stream = connect(address, CONNECT_TIMEOUT_MS).await?;
    secure(tls.nodes.as_deref(), stream, address, CONNECT_TIMEOUT_MS).await
}

/// Whether the cluster asks for a login, and whether the settings hold one.
async fn login(settings: &Settings, tls: &Tls, reached: &Reached, findings: &mut Findings) {
    let anonymous = async {
        let mut stream = open(tls, reached.address).await?;
        let started = start_up(&mut stream, Extensions::default(), &PoolKey::plain(None)).await;
        started.map_err(|error| error.at(reached.address))
    };
    match (anonymous.await, &settings.username) {
        (Ok(_), None) => findings.ok("login", "none, and the cluster asks for none"),
        (Ok(_), Some(user)) => {
            let text = format!("the cluster asks for no login; '{user}' is not needed");
            let hint = "remove username and password_file, or turn authentication on at the nodes";
            findings.warn("login", text, hint);
        }
        (
            Err(DialErrorAt { error: DialError::CredentialMissing { authenticator }, .. }),
            Some(user),
        ) => {
            let authenticator = class_name(&authenticator);
            findings
                .ok("login", format!("as '{user}', which the cluster accepts ({authenticator})"));
        }
        (Err(error), _) => findings.bad("login", error.to_string(), hint::of_dial(&error)),
    }
}

/// A class without its package.
pub(super) fn class_name(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

async fn permissions(
    settings: &Settings,
    connection: &mut ControlConnection<Transport>,
    findings: &mut Findings,
) {
    // They were read to come this far.
    findings.ok("rights", "system.local, system.peers and system_schema can be read");
    let Some(user) = &settings.username else { return };
    match is_superuser(connection, user).await {
        Ok(Some(true)) => {
            let text = match settings.auth_mode() {
                AuthMode::Service => {
                    format!("'{user}' is a superuser: so is every client of this proxy")
                }
                AuthMode::PassThrough => {
                    format!("'{user}' is a superuser, and only reads what any role may read")
                }
            };
            let hint = "make a role with the application's own rights, and name it in username";
            findings.warn("rights", text, hint);
        }
        Ok(Some(false)) => findings.ok("rights", format!("'{user}' is no superuser")),
        // Only superusers, and roles with a grant for it, may read the roles.
        Ok(None) => findings.ok("rights", format!("'{user}' may not read roles, as it should be")),
        Err(error) => {
            findings.warn("rights", format!("roles: {error}"), hint::of_dial(&error));
        }
    }
}

/// Whether all tablets of a table can be read at once.
async fn tablet_rights(
    settings: &Settings,
    connection: &mut ControlConnection<Transport>,
    findings: &mut Findings,
) {
    match connection.query("SELECT table_id FROM system.tablets LIMIT 1").await {
        Ok(_) => findings.ok("rights", "system.tablets can be read: no tablet has to be missed"),
        Err(DialErrorAt { error: DialError::Refused(error, _), .. })
            if error.code == ErrorCode::UNAUTHORIZED =>
        {
            let user = settings.username.as_deref().unwrap_or("the role");
            let text = format!(
                "'{user}' may not read system.tablets: each tablet costs one misrouted request"
            );
            let hint = format!(
                "GRANT SELECT ON system.tablets TO {user}, or set tablets.prefetch = false"
            );
            findings.warn("rights", text, hint);
        }
        Err(error) => {
            findings.warn("rights", format!("system.tablets: {error}"), hint::of_dial(&error));
        }
    }
}

/// Whether a role is a superuser; `None` when the roles may not be read.
async fn is_superuser(
    connection: &mut ControlConnection<Transport>,
    user: &str,
) -> Result<Option<bool>, DialErrorAt> {
    let role = user.replace('\'', "''");
    for table in ["system.roles", "system_auth.roles"] {
        let query = format!("SELECT is_superuser FROM {table} WHERE role = '{role}'");
        match connection.query(&query).await {
            Ok(message) => {
                let found = first_cell(&message).and_then(|cell| cell::boolean(&cell).ok());
                return Ok(Some(found.unwrap_or(false)));
            }
            Err(DialErrorAt { error: DialError::Refused(error, _), .. })
                if error.code == ErrorCode::UNAUTHORIZED =>
            {
                return Ok(None);
            }
            // Another version keeps them in the other table.
            Err(DialErrorAt { error: DialError::Refused(..), .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn places(
    settings: &Settings,
    metadata: &ClusterMetadata,
    data_center: &str,
    findings: &mut Findings,
) {
    let hosts = &metadata.hosts;
    let centers: BTreeSet<&str> = hosts.iter().map(|row| row.data_center.as_str()).collect();
    let local: Vec<_> = hosts.iter().filter(|row| row.data_center == data_center).collect();
    let listed = centers.iter().copied().collect::<Vec<_>>().join(", ");
    if local.is_empty() {
        let text = format!("no node is in data center '{data_center}'; the cluster has: {listed}");
        let hint = format!("set data_center to one of: {listed} (case counts)");
        return findings.bad("place", text, hint);
    }
    let count = local.len();
    let text =
        format!("data center '{data_center}' with {count} of the cluster's {} nodes", hosts.len());
    if settings.data_center.is_none() && centers.len() > 1 {
        let text =
            format!("{text}: that of the node that answered first, for data_center is not set");
        findings.warn("place", text, format!("set data_center to one of: {listed}"));
    } else {
        findings.ok("place", text);
    }
    let racks: BTreeSet<&str> = local.iter().map(|row| row.rack.as_str()).collect();
    if let Some(rack) = &settings.rack
        && !racks.contains(rack.as_str())
    {
        let listed = racks.into_iter().collect::<Vec<_>>().join(", ");
        let text = format!("no node of '{data_center}' is in rack '{rack}'; it has: {listed}");
        findings.warn("place", text, format!("set rack to one of: {listed}, or remove it"));
    }
}

/// How the rows of a keyspace are found, and whether it has replicas in our data center.
fn tablets(name: &str, keyspace: &KeyspaceRow, data_center: &str, findings: &mut Findings) {
    let entries = keyspace.replication.iter();
    let replication =
        Replication::parse(entries.map(|(key, value)| (key.as_str(), value.as_str())));
    if let Replication::NetworkTopology { data_centers } = &replication
        && !data_centers.contains_key(data_center)
    {
        let text = format!("keyspace {name} has no replica in data center '{data_center}'");
        let hint = format!("ALTER KEYSPACE {name} to replicate it there, or set data_center");
        return findings.warn("tablets", text, hint);
    }
    let how = if keyspace.tablets {
        "tablets, learned from the nodes' answers"
    } else {
        "no tablets, by the ring"
    };
    findings.ok("tablets", format!("keyspace {name}: {how}"));
}

async fn first_text(
    connection: &mut ControlConnection<Transport>,
    query: &str,
) -> Result<Option<String>, DialErrorAt> {
    let message = connection.query(query).await?;
    let cell = first_cell(&message);
    Ok(cell.and_then(|cell| cell::text(&cell).ok().map(str::to_owned)))
}

/// The first cell of the first row of an answer.
pub(super) fn first_cell(message: &[u8]) -> Option<Vec<u8>> {
    let rows = Rows::read(message).ok()?;
    let row = rows.rows().next()?.ok()?;
    row.cells.first().copied().flatten().map(<[u8]>::to_vec)
}
