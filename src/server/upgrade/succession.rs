//! What two processes say to each other when one takes the other's place, over a Unix socket.
//!
//! The new one says hello. The old one sends a descriptor of each place where it listens, and its state. The new one
//! opens its lanes; once they are there it says that it is ready. From then on it listens, and the old one sends its
//! clients, each as it has its answers, and ends. A new process that ends before it is ready changes nothing. An old one that
//! ends anyway says so in place of the end of its state: nothing more comes, and the new one listens at once.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{RecvFlags, recv};
use zeroize::Zeroizing;

use crate::listen::listener::Accepted;
use crate::sockets::descriptors::{self, Receiver};
use crate::state::client::MovedClient;
use crate::worker::clients::transfer::GivenClient;

/// What both sides must speak.
const VERSION: [u8; 4] = 3_u32.to_be_bytes();
/// How long either side waits for the other's next word, but for the one that is not said before all lanes are there.
pub(crate) const WORD_MAX: Duration = Duration::from_secs(10);
/// How often a process is asked again that closed the connection: one that comes to its end is gone by then, or leaves its
/// place.
const CLOSED_MAX: u32 = 4;
/// Pause before that.
const CLOSED_PAUSE: Duration = Duration::from_millis(250);
/// How long a new process may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(120);
/// Bytes of a state that one message has at most.
const STATE_BYTES: usize = 1 << 20;
/// Longest message, bytes.
const BYTES_MAX: u32 = 8 << 20;

/// A client's message is no longer, bytes, but for the front of a long frame.
const CLIENT_BYTES: usize = 80 << 10;

const HELLO: u8 = 1;
const PLACE: u8 = 2;
const STATE: u8 = 3;
const STATE_END: u8 = 4;
const READY: u8 = 5;
const TCP_CLIENT: u8 = 6;
const UNIX_CLIENT: u8 = 7;
const DONE: u8 = 8;
const ENDING: u8 = 9;

/// The other process.
#[derive(Debug)]
pub(crate) struct Peer {
    receiver: Receiver,
}

/// A process listens at the socket, and does not hand over.
#[derive(Debug)]
pub(crate) struct TakeoverRefused {
    /// Its id, where it is known.
    pub pid: Option<i32>,
    /// What went wrong; [`io::ErrorKind::TimedOut`] when it says nothing.
    pub error: io::Error,
}

/// What the process before hands over.
#[derive(Debug)]
pub(crate) struct Inheritance {
    /// The process itself.
    pub peer: Peer,
    /// Where it listens: each place by its name.
    pub places: Vec<(String, OwnedFd)>,
    /// What it has learned.
    pub state: Vec<u8>,
    /// Whether it ends anyway: it serves no new client, and gives none away.
    pub is_ending: bool,
}

impl Peer {
    /// Speaks to the process at the other end. The calls block.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(WORD_MAX))?;
        stream.set_write_timeout(Some(WORD_MAX))?;
        Ok(Self { receiver: Receiver::new(stream) })
    }

    fn send(&self, kind: u8, body: &[u8], descriptor: Option<&OwnedFd>) -> io::Result<()> {
        let len = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
        // A client's may hold a password.
        let message = Zeroizing::new([&len.to_be_bytes()[..], &[kind], body].concat());
        let descriptor = descriptor.map(AsFd::as_fd);
        descriptors::send(self.receiver.stream(), &message, descriptor.as_slice())
    }

    fn receive(&mut self) -> io::Result<(u8, Zeroizing<Vec<u8>>)> {
        let mut len = [0; 4];
        self.receiver.read_exact(&mut len)?;
        let len = u32::from_be_bytes(len);
        if !(1..=BYTES_MAX).contains(&len) {
            return Err(strange("a message of an impossible length"));
        }
        let mut kind = [0];
        self.receiver.read_exact(&mut kind)?;
        let rest = u64::from(len - 1);
        // A client's fits, so that no password stays where a shorter buffer was.
        let mut body = Zeroizing::new(Vec::with_capacity(CLIENT_BYTES));
        let got = self.receiver.by_ref().take(rest).read_to_end(&mut body)?;
        if u64::try_from(got).ok() != Some(rest) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let [kind] = kind;
        Ok((kind, body))
    }

    fn descriptor(&mut self) -> io::Result<OwnedFd> {
        self.receiver.take_descriptor().ok_or_else(|| strange("a descriptor is missing"))
    }
}

/// The new process's side.
impl Peer {
    /// Asks the process that listens at `path` for all that it has; `None` when none does.
    pub(crate) fn inherit(
        path: &Path,
        state_bytes_max: u64,
    ) -> Result<Option<Inheritance>, TakeoverRefused> {
        let explained =
            |TakeoverRefused { pid, error }| TakeoverRefused { pid, error: explain(error) };
        for _ in 0..CLOSED_MAX {
            match Self::inherit_once(path, state_bytes_max) {
                Err(refused) if is_closed(&refused.error) => thread::sleep(CLOSED_PAUSE),
                asked => return asked.map_err(explained),
            }
        }
        Self::inherit_once(path, state_bytes_max).map_err(explained)
    }

    fn inherit_once(
        path: &Path,
        state_bytes_max: u64,
    ) -> Result<Option<Inheritance>, TakeoverRefused> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(TakeoverRefused { pid: None, error }),
        };
        let pid = socket_peercred(&stream).ok().map(|owner| owner.pid.as_raw_nonzero().get());
        Self::inherit_from(stream, state_bytes_max)
            .map(Some)
            .map_err(|error| TakeoverRefused { pid, error })
    }

    fn inherit_from(stream: UnixStream, state_bytes_max: u64) -> io::Result<Inheritance> {
        let mut peer = Self::new(stream)?;
        peer.send(HELLO, &VERSION, None)?;
        let (mut places, mut state) = (Vec::new(), Vec::new());
        loop {
            match peer.receive()? {
                (PLACE, name) => {
                    let name =
                        String::from_utf8(name.to_vec()).map_err(|_| strange("a strange name"))?;
                    places.push((name, peer.descriptor()?));
                }
                (STATE, chunk) => state.extend_from_slice(&chunk),
                (kind @ (STATE_END | ENDING), _) => {
                    let is_ending = kind == ENDING;
                    return Ok(Inheritance { peer, places, state, is_ending });
                }
                (kind, _) => return Err(strange_kind(kind)),
            }
            if u64::try_from(state.len()).is_ok_and(|len| len > state_bytes_max) {
                return Err(strange("a state longer than state.bytes_max"));
            }
        }
    }

    /// Whether the process before has ended, or leaves its place: it says nothing before this one is ready.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        let mut next = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(self.receiver.stream(), &mut next, flags) {
            Ok((count, _)) => count == 0,
            Err(error) => !matches!(error, Errno::WOULDBLOCK | Errno::INTR),
        }
    }

    /// Says that this process listens from now on.
    pub(crate) fn say_ready(&self) -> io::Result<()> {
        self.send(READY, &[], None)
    }

    /// The next client; `None` when all have come.
    pub(crate) fn next_client(&mut self) -> io::Result<Option<(Accepted, MovedClient)>> {
        let (kind, body) = self.receive()?;
        if kind == DONE {
            return Ok(None);
        }
        let client = MovedClient::read(&body).map_err(|error| strange(&error.to_string()))?;
        let descriptor = self.descriptor()?;
        let stream = match kind {
            TCP_CLIENT => Accepted::Tcp(descriptor.into()),
            UNIX_CLIENT => Accepted::Unix(descriptor.into()),
            kind => return Err(strange_kind(kind)),
        };
        Ok(Some((stream, client)))
    }
}

/// The old process's side.
impl Peer {
    /// Checks that the other process is of the same user, or of root: it gets what clients log in with.
    pub(crate) fn check_user(&self) -> io::Result<()> {
        let user = socket_peercred(self.receiver.stream())?.uid;
        if user != rustix::process::geteuid() && !user.is_root() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("it is a process of user {}", user.as_raw()),
            ));
        }
        Ok(())
    }

    /// Waits for the other's hello.
    pub(crate) fn expect_hello(&mut self) -> io::Result<()> {
        match self.receive()? {
            (HELLO, version) if *version == VERSION => Ok(()),
            (HELLO, _) => Err(strange("another version of shardlane, which hands over otherwise")),
            (kind, _) => Err(strange_kind(kind)),
        }
    }

    /// Sends a place where this process listens.
    pub(crate) fn send_place(&self, name: &str, descriptor: &OwnedFd) -> io::Result<()> {
        self.send(PLACE, name.as_bytes(), Some(descriptor))
    }

    /// Sends a part of the state.
    pub(crate) fn send_state(&self, chunk: &[u8]) -> io::Result<()> {
        chunk.chunks(STATE_BYTES).try_for_each(|piece| self.send(STATE, piece, None))
    }

    /// Says that the state is complete, and that this process ends.
    pub(crate) fn say_ending(&self) -> io::Result<()> {
        self.send(ENDING, &[], None)
    }

    /// Says that the state is complete.
    pub(crate) fn say_complete(&self) -> io::Result<()> {
        self.send(STATE_END, &[], None)
    }

    /// What ends the conversation, whatever a blocked call waits for.
    pub(crate) fn hang_up(&self) -> io::Result<impl FnOnce() + Send + use<>> {
        let stream = self.receiver.stream().try_clone()?;
        Ok(move || {
            // The other may have closed it first.
            stream.shutdown(Shutdown::Both).ok();
        })
    }

    /// Waits until the other listens.
    pub(crate) fn wait_ready(&mut self) -> io::Result<()> {
        self.receiver.stream().set_read_timeout(Some(READY_MAX))?;
        match self.receive()? {
            (READY, _) => Ok(()),
            (kind, _) => Err(strange_kind(kind)),
        }
    }

    /// Gives a client away.
    pub(crate) fn send_client(&self, given: &GivenClient) -> io::Result<()> {
        let connection = &given.connection;
        let kind = if connection.is_unix { UNIX_CLIENT } else { TCP_CLIENT };
        let mut body = Zeroizing::new(Vec::with_capacity(CLIENT_BYTES));
        given.client.put(&mut body);
        self.send(kind, &body, Some(&connection.descriptor))
    }

    /// Says that there is nothing more.
    pub(crate) fn say_done(&self) -> io::Result<()> {
        self.send(DONE, &[], None)
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A process closes the connection that does not understand the hello, or comes to its end just then.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// What a blocking call fails with after its time is [`io::ErrorKind::WouldBlock`].
fn explain(error: io::Error) -> io::Error {
    if is_closed(&error) {
        strange(
            "it closed the connection again and again, as a version does that hands over otherwise; its log says more",
        )
    } else if error.kind() == io::ErrorKind::WouldBlock {
        io::ErrorKind::TimedOut.into()
    } else {
        error
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn strange_kind(kind: u8) -> io::Error {
    strange(&format!("a message of kind {kind} at the wrong time"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::{env, fs, process, thread};

    use super::*;
    use crate::sockets::transport::Leaving;

    fn client() -> MovedClient {
        MovedClient {
            local: "127.0.0.1:9042".parse().unwrap(),
            peer: None,
            version: Some(4),
            is_new: false,
            compression: None,
            keyspace: Some("ks".into()),
            schema_events: true,
            uses_console: false,
            driver: None,
            partial: vec![4],
            token: None,
        }
    }

    #[test]
    fn places_state_and_clients_come_as_they_were_sent() {
        let path = env::temp_dir().join(format!("shardlane-succession-{}", process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let place = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = place.local_addr().unwrap();
        let old = thread::spawn(move || {
            let mut peer = Peer::new(listener.accept().unwrap().0).unwrap();
            peer.check_user().unwrap();
            peer.expect_hello().unwrap();
            peer.send_place("clients", &place.into()).unwrap();
            peer.send_state(&[1, 2]).unwrap();
            peer.send_state(&[3]).unwrap();
            peer.say_complete().unwrap();
            peer.wait_ready().unwrap();
            let (mine, theirs) = UnixStream::pair().unwrap();
            let descriptor = theirs.into();
            let connection = Leaving { descriptor, is_unix: true, relay: None };
            let given = GivenClient { connection, client: client() };
            peer.send_client(&given).unwrap();
            peer.say_done().unwrap();
            mine
        });
        let inheritance = Peer::inherit(&path, 3).unwrap().unwrap();
        assert_eq!(inheritance.state, [1, 2, 3]);
        let [(name, descriptor)] = <[_; 1]>::try_from(inheritance.places).unwrap();
        assert_eq!(name, "clients");
        let listener = TcpListener::from(descriptor);
        assert_eq!(listener.local_addr().unwrap(), address);
        TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
        let mut peer = inheritance.peer;
        peer.say_ready().unwrap();
        let (stream, moved) = peer.next_client().unwrap().unwrap();
        assert_eq!(moved, client());
        let mut mine = old.join().unwrap();
        mine.write_all(b"on").unwrap();
        let Accepted::Unix(mut stream) = stream else { panic!("another kind of socket") };
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"on");
        assert!(peer.next_client().unwrap().is_none());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_process_that_does_not_hand_over_is_named() {
        let path = env::temp_dir().join(format!("shardlane-silent-{}", process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let gone = thread::spawn(move || {
            for _ in 0..=CLOSED_MAX {
                let mut peer = Peer::new(listener.accept().unwrap().0).unwrap();
                peer.expect_hello().unwrap();
            }
        });
        let refused = Peer::inherit(&path, 10).unwrap_err();
        gone.join().unwrap();
        assert_eq!(refused.pid, i32::try_from(process::id()).ok());
        assert!(refused.error.to_string().contains("closed"), "{}", refused.error);
        assert_eq!(explain(io::ErrorKind::WouldBlock.into()).kind(), io::ErrorKind::TimedOut);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_process_that_comes_to_its_end_meanwhile_is_none() {
        let path = env::temp_dir().join(format!("shardlane-at-its-end-{}", process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let gone = thread::spawn(move || drop(listener.accept().unwrap()));
        assert!(Peer::inherit(&path, 10).unwrap().is_none());
        gone.join().unwrap();
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn no_process_is_no_error_and_a_strange_one_is() {
        let path = env::temp_dir().join(format!("shardlane-no-process-{}", process::id()));
        assert!(Peer::inherit(&path, 10).unwrap().is_none());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(Peer::inherit(&path, 10).unwrap().is_none(), "it is dead");
        fs::remove_file(&path).unwrap();
        for said in
            [&b"HTTP/1.1 400"[..], &[0, 0, 0, 0, 0], &[0, 0, 0, 1, 9], &[0, 0, 0, 9, 3], &[]]
        {
            let (one, other) = UnixStream::pair().unwrap();
            (&one).write_all(said).unwrap();
            drop(one);
            let mut peer = Peer::new(other).unwrap();
            assert!(peer.next_client().is_err() && peer.expect_hello().is_err(), "{said:?}");
        }
    }
}
