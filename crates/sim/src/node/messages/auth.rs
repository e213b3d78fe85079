//! AUTH_RESPONSE: name and password, or an answer to a challenge.

use md5::{Digest, Md5};

use crate::cluster::cluster::Cluster;
use crate::node::connection::{Connection, Phase};
use crate::node::frames::answer::Answer;
use crate::node::frames::refusal::{CREDENTIALS, Refusal};
use cql::notation::{Reader, put_bytes};
use cql::opcode::Opcode;

/// Answers AUTH_RESPONSE. After a wrong password the client may try again.
pub(crate) fn respond(
    cluster: &mut Cluster,
    connection: &mut Connection,
    body: &[u8],
) -> Result<Answer, Refusal> {
    if !cluster.roles.is_enabled() {
        return Err(Refusal::new(CREDENTIALS, "Authentication is not enabled"));
    }
    if cluster.options.challenge
        && let Some(answer) = challenge(cluster, connection, body)?
    {
        return Ok(answer);
    }
    let Some((user, password)) = read(body) else {
        return Err(Refusal::new(CREDENTIALS, "Authentication ID must not be null"));
    };
    let user = String::from_utf8_lossy(user).into_owned();
    let judged = cluster.roles.log_in(&user, password);
    judged.map_err(|text| Refusal::new(CREDENTIALS, text))?;
    Ok(let_in(connection, user))
}

fn let_in(connection: &mut Connection, user: String) -> Answer {
    connection.user = Some(user);
    connection.phase = Phase::Ready;
    let mut out = Vec::new();
    put_bytes(&mut out, Some(&[]));
    Answer::new(Opcode::AuthSuccess, out)
}

/// A login of two steps: the client sends its name alone, gets a number, and answers with the MD5 of
/// number and password. Returns `None` for a name with a password, which is accepted as well.
fn challenge(
    cluster: &mut Cluster,
    connection: &mut Connection,
    body: &[u8],
) -> Result<Option<Answer>, Refusal> {
    let token = Reader::new(body).bytes()?.unwrap_or_default();
    if let Some((user, number)) = connection.challenge.take() {
        let role = cluster.roles.get(&user).filter(|role| role.may_log_in);
        let right = role.is_some_and(|role| {
            answer_to(&number.to_be_bytes(), role.password.as_bytes()) == token
        });
        if !right {
            let text = "Username and/or password are incorrect";
            return Err(Refusal::new(CREDENTIALS, text));
        }
        return Ok(Some(let_in(connection, user)));
    }
    if token.is_empty() || token.contains(&0) {
        return Ok(None);
    }
    let number = cluster.chance();
    connection.challenge = Some((String::from_utf8_lossy(token).into_owned(), number));
    let mut out = Vec::new();
    put_bytes(&mut out, Some(&number.to_be_bytes()));
    Ok(Some(Answer::new(Opcode::AuthChallenge, out)))
}

/// What a client that knows the password answers to a challenge.
#[must_use]
pub fn answer_to(challenge: &[u8], password: &[u8]) -> Vec<u8> {
    let mut hash = Md5::new();
    hash.update(challenge);
    hash.update(password);
    hash.finalize().to_vec()
}

/// User and password of a SASL PLAIN token. Like the real server it ignores the length before the
/// token and splits the whole body at zero bytes, from its end.
fn read(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = body.rsplitn(3, |byte| *byte == 0);
    let password = parts.next()?;
    let user = parts.next().filter(|user| !user.is_empty())?;
    Some((user, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_its_end_and_its_length_ignored() {
        let token = b"\0\0\0\x08\0bob\0pwd";
        assert_eq!(read(token), Some((&b"bob"[..], &b"pwd"[..])));
        assert_eq!(read(b"\0bob\0pwd"), Some((&b"bob"[..], &b"pwd"[..])));
        assert_eq!(read(b"authzid\0bob\0pwd"), Some((&b"bob"[..], &b"pwd"[..])));
    }

    #[test]
    fn a_token_without_a_user_is_none() {
        assert_eq!(read(&[0xff; 4]), None);
        assert_eq!(read(&[0; 4]), None);
        assert_eq!(read(b"\0\0\0\x05PLAIN"), None);
    }
}
