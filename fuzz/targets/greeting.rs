//! Greeting a node that may answer anything: a secret leaves only after a node asked for it, and
//! what node and client say to each other passes as it came.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cql::header::{HEADER_LEN, Header};
use cql::notation::Reader;
use cql::opcode::Opcode;
use cql::request::auth_response::{self, PlainLogin};
use shardlane::connect::conversation::Conversation;
use shardlane::connect::dial_error::DialError;
use shardlane::connect::dial_report::DialReport;
use shardlane::connect::extensions::Extensions;
use shardlane::connect::handshake::{Login, start_up};
use shardlane::connect::handshake_budget::HeldTurn;
use shardlane::pool::connection::DialId;
use shardlane::pool::login::credential::Credential;
use shardlane::pool::pool_key::PoolKey;
use shardlane::session::sasl::SaslToken;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use crate::support::frames::{Frame, cut};

const TOKEN: &[u8] = b"\0bob\0correct horse";
const SECRET: &str = "correct horse";
/// A client that has answered so many challenges leaves.
const ANSWERS_MAX: usize = 5;

/// A connection to the node: its bytes come in reads of so many, ours are kept.
struct Wire<'a> {
    from_node: &'a [u8],
    read_len: usize,
    sent: Vec<u8>,
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let len = wire.read_len.min(buffer.remaining()).min(wire.from_node.len());
        let (now, later) = wire.from_node.split_at(len);
        buffer.put_slice(now);
        wire.from_node = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().sent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What a greeting came to.
struct Course {
    outcome: Result<Option<Login>, DialError>,
    challenges: Vec<Vec<u8>>,
    sent: Vec<Frame>,
}

/// A byte that chooses what we are, then all that the node says.
pub(crate) fn run(data: &[u8]) {
    tokens(data);
    let Some((&kind, from_node)) = data.split_first() else { return };
    let schedule = greet(kind, from_node);
    let asked: Vec<_> = schedule.sent.iter().map(Frame::opcode).collect();
    assert_eq!(asked[0], Opcode::Startup);
    let logs_in = kind & 1 != 0;
    let replies = replies(from_node, schedule.sent.len());
    let mut answers = 0;
    for (at, frame) in schedule.sent.iter().enumerate().skip(1) {
        match frame.opcode() {
            Opcode::AuthResponse => {
                let origin =
                    if answers == 0 { Opcode::Authenticate } else { Opcode::AuthChallenge };
                assert!(logs_in, "a token of nobody");
                assert_eq!(replies[at - 1].0.opcode, origin.byte(), "nobody asked: {at}");
                let expected = if answers == 0 { TOKEN.to_vec() } else { answer(answers - 1) };
                assert_eq!(auth_response::read(&frame.body), Ok(Some(&expected[..])));
                answers += 1;
            }
            Opcode::Query => assert_eq!((frame.text(), at + 1), ("USE \"k\"\"s\"", asked.len())),
            other => panic!("{other:?} in a greeting"),
        }
    }
    // Each challenge as it came, in its turn.
    for (challenge, (header, body)) in schedule.challenges.iter().zip(replies.iter().skip(1)) {
        if header.flags & 0x0f == 0 {
            let sent = Reader::new(body).bytes().expect("it was sent");
            assert_eq!(challenge, sent.unwrap_or_default());
        }
    }
    judge(&schedule, &replies, answers);
    if let Err(error) = &schedule.outcome
        && !String::from_utf8_lossy(from_node).contains(SECRET)
    {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

/// Who is let in was let in by the node's word, which stays as it came.
fn judge(schedule: &Course, replies: &[(Header, &[u8])], answers: usize) {
    match &schedule.outcome {
        Ok(Some(login)) => {
            let (header, success) = replies[answers];
            assert_eq!(header.opcode, Opcode::AuthSuccess.byte());
            assert!(answers > 0);
            if header.flags & 0x0f == 0 {
                assert_eq!(login.success, success);
            }
            if replies[0].0.flags & 0x0f == 0 {
                assert_eq!(Reader::new(replies[0].1).string(), Ok(&*login.authenticator));
            }
        }
        Ok(None) => {
            assert_eq!(replies[0].0.opcode, Opcode::Ready.byte());
            assert_eq!(answers, 0, "a token for a node that asks for none");
        }
        Err(_) => {}
    }
}

fn greet(kind: u8, from_node: &[u8]) -> Course {
    let (answers, receiver) = mpsc::channel(1);
    let (reports, mut reported) = mpsc::channel(1);
    let conversation = Conversation::new(DialId(7), reports, receiver, HeldTurn::default());
    let credential = Credential::with_challenge(SaslToken::new(TOKEN), Box::new(conversation));
    let pool = PoolKey {
        keyspace: (kind & 4 != 0).then(|| "k\"s".into()),
        credential: (kind & 1 != 0).then(|| Arc::new(credential)),
    };
    let read_len = usize::from(kind >> 3) + 1;
    let mut wire = Wire { from_node, read_len, sent: Vec::new() };
    let mut challenges = Vec::new();
    let mut answers = Some(answers);
    let outcome = {
        let mut greeting = pin!(start_up(&mut wire, Extensions::default(), &pool));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(outcome) = greeting.as_mut().poll(&mut context) {
                break outcome;
            }
            let Ok(DialReport::Challenged(DialId(7), challenge)) = reported.try_recv() else {
                panic!("it waits for nobody");
            };
            let token = SaslToken::new(&answer(challenges.len()));
            challenges.push(challenge);
            answers = answers.filter(|_| challenges.len() <= ANSWERS_MAX);
            if let Some(answers) = &answers {
                answers.try_send(token).expect("there is room for one");
            }
        }
    };
    Course { outcome, challenges, sent: cut(&wire.sent) }
}

/// A client's answer to the challenge of that number, empty now and then.
fn answer(number: usize) -> Vec<u8> {
    vec![b'a'; number * 3 % 5]
}

/// The first so many frames of a node, as far as they are whole.
fn replies(mut bytes: &[u8], count: usize) -> Vec<(Header, &[u8])> {
    let mut replies = Vec::new();
    while replies.len() < count {
        let Some(header) = Header::peek(bytes) else { break };
        let Some(body) = bytes[HEADER_LEN..].get(..header.body_len as usize) else { break };
        replies.push((header, body));
        bytes = &bytes[HEADER_LEN + body.len()..];
    }
    replies
}

/// A token that stands for name and password is the same to all who read it.
fn tokens(token: &[u8]) {
    let kept = SaslToken::new(token);
    assert!(kept.reveal() == token && format!("{kept:?}") == "***");
    if !kept.is_plain() {
        return;
    }
    let plain = PlainLogin::read(token).expect("a whole message");
    let mut parts = token.splitn(3, |byte| *byte == 0).skip(1);
    assert!(parts.next() == Some(plain.user) && parts.next() == Some(plain.password));
    assert!(!plain.user.is_empty() && !plain.password.contains(&0));
}
