//! OPTIONS, STARTUP and REGISTER.

use crate::cluster::cluster::Cluster;
use crate::like::Like;
use crate::node::connection::{Connection, Extensions, Phase};
use crate::node::frames::answer::Answer;
use crate::node::frames::refusal::{PROTOCOL, Refusal};
use crate::node::messages::supported;
use cql::compression::Compression;
use cql::notation::{Reader, put_string};
use cql::opcode::Opcode;

/// The class that clients look at; ScyllaDB keeps Cassandra's name.
const AUTHENTICATOR: &str = "org.apache.cassandra.auth.PasswordAuthenticator";
/// The class if logins may have two steps. Clients that do not know it send name and password.
const CHALLENGER: &str = "org.example.ChallengeAuthenticator";

/// Answers OPTIONS.
#[must_use]
pub(crate) fn options(cluster: &Cluster, connection: &Connection) -> Answer {
    let member = cluster.members.get(connection.node);
    let options = &cluster.options;
    let port_of_tls = options.tls_ports.map(|(_, aware)| aware);
    let body = member.map_or_else(Vec::new, |member| {
        let port = options.shard_aware_port;
        supported::body(options.like, member, connection.shard, port, port_of_tls)
    });
    Answer::new(Opcode::Supported, body)
}

/// Answers STARTUP: only the presence of an extension's key counts, not its value.
pub(crate) fn startup(
    cluster: &Cluster,
    connection: &mut Connection,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let pairs = Reader::new(body).string_map()?;
    let value = |key| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    if let Some(name) = value("COMPRESSION") {
        let unknown = || {
            let name = name.to_ascii_lowercase();
            Refusal::new(PROTOCOL, format!("Unknown compression algorithm: {name}"))
        };
        connection.compression = Some(Compression::from_name(name).ok_or_else(unknown)?);
    }
    let new = cluster.options.like >= Like::V2026_3;
    connection.extensions = Extensions {
        tablets_v1: value("TABLETS_ROUTING_V1").is_some(),
        lwt_mark: value("SCYLLA_LWT_ADD_METADATA_MARK").is_some(),
        metadata_id: new && value("SCYLLA_USE_METADATA_ID").is_some(),
    };
    let owned = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    connection.startup = owned.collect();
    if cluster.roles.is_enabled() {
        connection.phase = Phase::Authenticating;
        let mut body = Vec::new();
        let challenge = cluster.options.challenge;
        put_string(&mut body, if challenge { CHALLENGER } else { AUTHENTICATOR });
        Ok(Answer::new(Opcode::Authenticate, body))
    } else {
        connection.phase = Phase::Ready;
        Ok(Answer::new(Opcode::Ready, Vec::new()))
    }
}

/// Answers REGISTER.
pub(crate) fn register(
    like: Like,
    connection: &mut Connection,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let mut registered = connection.registered;
    for name in Reader::new(body).string_list()? {
        match name {
            "TOPOLOGY_CHANGE" => registered.topology = true,
            "STATUS_CHANGE" => registered.status = true,
            "SCHEMA_CHANGE" => registered.schema = true,
            "CLIENT_ROUTES_CHANGE" if like >= Like::V2026_3 => registered.client_routes = true,
            _ => {
                let text = format!("Invalid value '{name}' for Event.Type");
                return Err(Refusal::new(PROTOCOL, text));
            }
        }
    }
    connection.registered = registered;
    Ok(Answer::new(Opcode::Ready, Vec::new()))
}
