//! AUTH_RESPONSE: one user with one password.

use crate::sim::cluster::cluster::Cluster;
use crate::sim::node::answer::Answer;
use crate::sim::node::connection::{Connection, Phase};
use crate::sim::node::refusal::{CREDENTIALS, Refusal};
use crate::wire::notation::put_bytes;
use crate::wire::opcode::Opcode;

/// Answers AUTH_RESPONSE. After a wrong password the client may try again.
pub fn respond(
    cluster: &Cluster,
    connection: &mut Connection,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let Some((user, password)) = &cluster.options.user else {
        return Err(Refusal::new(CREDENTIALS, "Authentication is not enabled"));
    };
    let Some((given_user, given_password)) = read(body) else {
        return Err(Refusal::new(CREDENTIALS, "Authentication ID must not be null"));
    };
    if given_user != user.as_bytes() || given_password != password.as_bytes() {
        return Err(Refusal::new(CREDENTIALS, "Username and/or password are incorrect"));
    }
    connection.user = Some(user.clone());
    connection.phase = Phase::Ready;
    let mut out = Vec::new();
    put_bytes(&mut out, Some(&[]));
    Ok(Answer::new(Opcode::AuthSuccess, out))
}

/// User and password of a SASL PLAIN token. As the real server it does not read the length in
/// front of the token, it splits the whole body at zero bytes, from its end.
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
    fn a_token_is_read_from_its_end_whatever_its_length_says() {
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
