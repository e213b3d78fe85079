//! Checks which message is allowed in which phase, and passes it to its function.

use std::time::Duration;

use crate::cluster::cluster::Cluster;
use crate::like::Like;
use crate::node::connection::{Connection, Phase};
use crate::node::frames::answer::Answer;
use crate::node::frames::refusal::{PROTOCOL, Refusal, SERVER};
use crate::node::messages::execute;
use crate::node::messages::startup;
use crate::node::messages::{auth, batch};
use cql::error::WireError;
use cql::header::{FLAG_PAYLOAD, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;

/// Answers one frame. A refusal here leaves the connection open, as on the real server.
pub(crate) fn dispatch(
    cluster: &mut Cluster,
    connection: &mut Connection,
    header: Header,
    body: &[u8],
    now: Duration,
) -> Result<Answer, Refusal> {
    let opcode = Opcode::from_byte(header.opcode);
    expect(connection.phase, opcode, header.opcode)?;
    let body = without_payload(cluster.options.like, header, body)?;
    match opcode {
        Some(Opcode::Options) => Ok(startup::options(cluster, connection)),
        Some(Opcode::Startup) => startup::startup(cluster, connection, body),
        Some(Opcode::Register) => startup::register(cluster.options.like, connection, body),
        Some(Opcode::AuthResponse) => auth::respond(cluster, connection, body),
        Some(Opcode::Query) => execute::query(cluster, connection, body, now),
        Some(Opcode::Prepare) => execute::prepare(cluster, connection, body),
        Some(Opcode::Execute) => execute::execute(cluster, connection, body, now),
        Some(Opcode::Batch) => batch::batch(cluster, connection, body, now),
        Some(
            Opcode::Error
            | Opcode::Ready
            | Opcode::Authenticate
            | Opcode::Supported
            | Opcode::Result
            | Opcode::Event
            | Opcode::AuthChallenge
            | Opcode::AuthSuccess,
        )
        | None => Err(WireError::Opcode(header.opcode).into()),
    }
}

/// Refuses a message that is not allowed in this phase.
fn expect(phase: Phase, opcode: Option<Opcode>, byte: u8) -> Result<(), Refusal> {
    let unexpected = |wanted: &str| {
        Refusal::new(PROTOCOL, format!("Unexpected message {byte}, expecting {wanted}"))
    };
    match (phase, opcode) {
        (Phase::Fresh, Some(Opcode::Startup | Opcode::Options)) => Ok(()),
        (Phase::Fresh, _) => Err(unexpected("STARTUP or OPTIONS")),
        (Phase::Authenticating, Some(Opcode::AuthResponse)) => Ok(()),
        (Phase::Authenticating, _) => Err(unexpected("SASL_RESPONSE")),
        (Phase::Ready, Some(Opcode::Startup)) => Err(Refusal::new(
            PROTOCOL,
            "Unexpected message STARTUP, the connection is already initialized",
        )),
        (Phase::Ready, Some(Opcode::AuthResponse)) => Err(Refusal::new(SERVER, "Should not reach")),
        (Phase::Ready, _) => Ok(()),
    }
}

/// Skips the custom payload of a request. Older servers, and newer ones on v3, do not support it and
/// read it as the message.
fn without_payload(like: Like, header: Header, body: &[u8]) -> Result<&[u8], Refusal> {
    if header.flags & FLAG_PAYLOAD == 0 || header.version < 4 {
        return Ok(body);
    }
    match like {
        Like::V6_2 => Ok(body),
        Like::V2026_3 => {
            let mut reader = Reader::new(body);
            for _ in 0..reader.short()? {
                reader.string()?;
                reader.bytes()?;
            }
            Ok(reader.rest())
        }
    }
}
