//! The handshake with a node: OPTIONS, STARTUP, login, USE.
//!
//! Straight `async fn` over any stream, so that a test can be the node. A lane never REGISTERs:
//! newer servers class a connection that does as a control connection.

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use crate::connect::dial_error::{DialError, DialStep};
use crate::connect::exchange::exchange;
use crate::connect::extensions::Extensions;
use crate::pool::login::credential::Credential;
use crate::pool::pool_key::PoolKey;
use crate::upstream::lane::LANE_VERSION;
use cql::consistency::Consistency;
use cql::notation::{Reader, put_bytes, put_int, put_long_string, put_string_map};
use cql::opcode::Opcode;
use cql::request::parameters::{PAGE_SIZE, PAGING_STATE};
use cql::request::startup::{CQL_VERSION, DRIVER_NAME, DRIVER_VERSION};
use cql::response::result::ResultKind;
use cql::response::supported::Supported;
use cql::statement::name::quoted;

/// Longest answer in a handshake; a real SUPPORTED has some 500 bytes.
const BODY_LEN_MAX: u32 = 64 * 1024;

/// Asks what the node offers. It may be asked at any time but in the middle of a login.
pub async fn ask_options<S>(stream: &mut S, version: u8) -> Result<Supported, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let step = DialStep::Options;
    let reply = exchange(stream, version, Opcode::Options, step, BODY_LEN_MAX, |_| {}).await?;
    reply.expect(Opcode::Supported, step)?;
    Supported::read(&reply.message).map_err(|source| DialError::Malformed { step, source })
}

/// How a connection logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// Class of the node's authenticator, as AUTHENTICATE names it.
    pub authenticator: String,
    /// The message of AUTH_SUCCESS.
    pub success: Vec<u8>,
}

/// Starts the connection up as a lane of `pool`: afterwards it is ready for requests. Returns
/// `None` when the node wanted no login.
pub async fn start_up<S>(
    stream: &mut S,
    extensions: Extensions,
    pool: &PoolKey,
) -> Result<Option<Login>, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut options = vec![
        (CQL_VERSION, "3.0.0"),
        (DRIVER_NAME, env!("CARGO_PKG_NAME")),
        (DRIVER_VERSION, env!("CARGO_PKG_VERSION")),
    ];
    options.extend(extensions.options());
    let step = DialStep::Startup;
    let body = |out: &mut Vec<u8>| put_string_map(out, &options);
    let reply = exchange(stream, LANE_VERSION, Opcode::Startup, step, BODY_LEN_MAX, body).await?;
    let login = if reply.opcode == Opcode::Authenticate {
        Some(log_in(stream, &reply.message, pool.credential.as_deref()).await?)
    } else {
        reply.expect(Opcode::Ready, step)?;
        None
    };
    if let Some(keyspace) = &pool.keyspace {
        use_keyspace(stream, keyspace).await?;
    }
    Ok(login)
}

async fn log_in<S>(
    stream: &mut S,
    authenticate: &[u8],
    credential: Option<&Credential>,
) -> Result<Login, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let step = DialStep::Login;
    let malformed = |source| DialError::Malformed { step, source };
    let authenticator = Reader::new(authenticate).string().map_err(malformed)?.to_owned();
    let Some(credential) = credential else {
        return Err(DialError::CredentialMissing { authenticator });
    };
    let opcode = Opcode::AuthResponse;
    let mut token = credential.token();
    loop {
        let put_token = |out: &mut Vec<u8>| put_bytes(out, Some(token.reveal()));
        let reply = exchange(stream, LANE_VERSION, opcode, step, BODY_LEN_MAX, put_token).await?;
        if reply.opcode == Opcode::AuthChallenge {
            let challenge = Reader::new(&reply.message).bytes().map_err(malformed)?;
            let answer = credential.answer(challenge.unwrap_or_default()).await;
            let unexpected = || DialError::Unexpected { step, opcode: reply.opcode.byte() };
            token = answer.ok_or_else(unexpected)?;
            continue;
        }
        reply.expect(Opcode::AuthSuccess, step)?;
        return Ok(Login { authenticator, success: reply.message });
    }
}

async fn use_keyspace<S>(stream: &mut S, keyspace: &str) -> Result<(), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let step = DialStep::Use;
    let text = format!("USE {}", quoted(keyspace));
    let body = |out: &mut Vec<u8>| put_query(out, &text);
    let reply = exchange(stream, LANE_VERSION, Opcode::Query, step, BODY_LEN_MAX, body).await?;
    reply.expect(Opcode::Result, step)?;
    match ResultKind::read(&reply.message) {
        Ok(ResultKind::SetKeyspace) => Ok(()),
        Ok(
            ResultKind::Void | ResultKind::Rows | ResultKind::Prepared | ResultKind::SchemaChange,
        ) => Err(DialError::Unexpected { step, opcode: reply.opcode.byte() }),
        Err(source) => Err(DialError::Malformed { step, source }),
    }
}

/// Appends the body of a QUERY without values, at consistency ONE.
pub fn put_query(out: &mut Vec<u8>, text: &str) {
    put_long_string(out, text);
    Consistency::One.put(out);
    out.push(0);
}

/// Appends a QUERY for one page of at most `rows` rows; `state` is the paging state of the page
/// before.
pub fn put_page_query(out: &mut Vec<u8>, text: &str, rows: u32, state: Option<&[u8]>) {
    put_long_string(out, text);
    Consistency::One.put(out);
    out.push(PAGE_SIZE | if state.is_some() { PAGING_STATE } else { 0 });
    put_int(out, i32::try_from(rows).unwrap_or(i32::MAX));
    if state.is_some() {
        put_bytes(out, state);
    }
}

#[cfg(test)]
mod tests;
