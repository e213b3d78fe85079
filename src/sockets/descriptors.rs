//! Bytes with open descriptors among them, over a Unix socket between two processes.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Descriptors that go with one piece at most. Linux would take 253.
pub(crate) const DESCRIPTORS_MAX: usize = 16;

/// Sends all of `bytes`, which must not be empty, with descriptors, over a Unix socket that is connected.
pub(crate) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = descriptors.len() <= DESCRIPTORS_MAX
        && (descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
    if !fits || bytes.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors, or no byte",
        ));
    }
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match sendmsg(socket.as_fd(), &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL) {
            Ok(count) => {
                done += count;
                // They go with the first byte.
                control.clear();
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads bytes, and keeps the descriptors that come with them.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: UnixStream,
    descriptors: VecDeque<OwnedFd>,
}

impl Receiver {
    /// Reads from a stream that blocks.
    #[must_use]
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, descriptors: VecDeque::new() }
    }

    /// The stream.
    #[must_use]
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The oldest descriptor that came and was not taken yet. It comes with the first byte of what was sent with
    /// it, or before.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }
}

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(buffer)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            match recvmsg(&self.stream, into, &mut control, flags) {
                Err(Errno::INTR) => {}
                received => break received?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors were lost"));
        }
        Ok(received.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;

    #[test]
    fn a_connection_goes_on_in_the_hands_of_the_receiver() {
        let (one, other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.write_all(b"sent before").unwrap();
        let sender = thread::spawn(move || {
            send(&one, b"plain", &[]).unwrap();
            send(&one, &[7; 300_000], &[server.as_fd()]).unwrap();
            send(&one, b"last", &[server.as_fd(), server.as_fd()]).unwrap();
        });
        let mut receiver = Receiver::new(other);
        let mut bytes = vec![0; 5 + 300_000 + 4];
        receiver.read_exact(&mut bytes).unwrap();
        sender.join().unwrap();
        assert_eq!((&bytes[..5], &bytes[300_005..]), (&b"plain"[..], &b"last"[..]));
        let mut server = TcpStream::from(receiver.take_descriptor().unwrap());
        assert!(receiver.take_descriptor().is_some() && receiver.take_descriptor().is_some());
        assert!(receiver.take_descriptor().is_none());
        let mut heard = [0; 11];
        server.read_exact(&mut heard).unwrap();
        server.write_all(b"answer").unwrap();
        assert_eq!(&heard, b"sent before");
        client.read_exact(&mut heard[..6]).unwrap();
        assert_eq!(&heard[..6], b"answer");
        assert_eq!(receiver.read(&mut [0; 1]).unwrap(), 0, "the sender is gone");
    }

    #[test]
    fn nothing_is_sent_with_too_many_descriptors_or_without_a_byte() {
        let (one, _other) = UnixStream::pair().unwrap();
        let many = [one.as_fd(); DESCRIPTORS_MAX + 1];
        assert_eq!(send(&one, b"x", &many).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(send(&one, b"", &many[..1]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
