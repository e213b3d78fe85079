//! The admin address of a process that may follow another one: it waits for that one's end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::listen::listener;
use crate::platform::clock;

/// How long a new process waits for an admin address that is in use, where it may be that of a process before it: one that
/// drains for the default of `timeouts.drain_ms` has ended by then.
const FREE_MAX_US: u64 = 12_000_000;
/// How often it looks.
const FREE_POLL: Duration = Duration::from_millis(20);
/// How long what listens there may take for each step of its answer, and how much of it is read.
const ANSWER_MAX: Duration = Duration::from_millis(500);
const ANSWER_BYTES_MAX: u64 = 1_024;

/// Listens at the admin address, once it is free. A process that drains and does not offer its place has no
/// `upgrade.socket`. Another program that has the address would keep it: that is not waited for.
pub(crate) fn bind_once_free(address: SocketAddr) -> io::Result<TcpListener> {
    let until_us = clock::now_us() + FREE_MAX_US;
    let mut is_logged = false;
    loop {
        match listener::bind(address) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && clock::now_us() < until_us =>
            {
                if !std::mem::replace(&mut is_logged, true) {
                    if is_of_another_program(address) {
                        return Err(error);
                    }
                    let most_s = FREE_MAX_US / 1_000_000;
                    tracing::warn!(%address, most_s, "the admin address is in use: waiting until it is free");
                }
                thread::sleep(FREE_POLL);
            }
            bound => return bound,
        }
    }
}

/// Whether what listens at an address answers, and not as a shardlane does. One at its end may answer nothing.
fn is_of_another_program(address: SocketAddr) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| !answer.is_empty() && !answer.ends_with(b"\r\n\r\nalive\n"))
}

#[cfg(test)]
mod tests {
    use std::net;

    use tokio::runtime::Builder;

    use super::*;

    /// Something that gives its first caller `answer`, and ends a moment later.
    fn holder(answer: &'static str) -> (SocketAddr, thread::JoinHandle<()>) {
        let listener = net::TcpListener::bind("127.0.63.7:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 256]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            drop(stream);
            thread::sleep(Duration::from_millis(300));
        });
        (address, serving)
    }

    fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { bind_once_free(address) })
    }

    #[test]
    fn an_address_of_a_process_at_its_end_is_waited_for() {
        for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nalive\n", ""] {
            let (address, serving) = holder(answer);
            bind(address).unwrap();
            serving.join().unwrap();
        }
    }

    #[test]
    fn an_address_of_another_program_is_not_waited_for() {
        let (address, serving) = holder("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        let since_us = clock::now_us();
        let error = bind(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(clock::now_us() - since_us < FREE_MAX_US / 2, "it was waited for");
        serving.join().unwrap();
    }
}
