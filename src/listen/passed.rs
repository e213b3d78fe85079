//! Listeners that the service manager passes: it opened them itself, or kept them while the process was started again.

use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process;

use listenfd::ListenFd;

/// TCP listeners by their addresses.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    listeners: Vec<(SocketAddr, TcpListener)>,
}

impl Passed {
    /// Takes those that the environment of this process names (`LISTEN_FDS`, `LISTEN_PID`), once. To be called while the
    /// process has one thread, as it changes the environment. What is no TCP socket is closed.
    #[must_use]
    pub(crate) fn from_environment() -> Self {
        // Those of the process that started this one are not for it.
        let is_ours = env::var("LISTEN_PID").is_ok_and(|pid| pid == process::id().to_string());
        let mut all = if is_ours { ListenFd::from_env() } else { ListenFd::empty() };
        let count = all.len();
        let listeners = (0..count).filter_map(|index| take(&mut all, index).ok().flatten());
        Self { listeners: listeners.collect() }
    }

    /// The listener at an address, if there is one.
    pub(crate) fn take(&mut self, address: SocketAddr) -> Option<OwnedFd> {
        let at = self.listeners.iter().position(|(known, _)| *known == address)?;
        Some(self.listeners.swap_remove(at).1.into())
    }
}

fn take(all: &mut ListenFd, index: usize) -> io::Result<Option<(SocketAddr, TcpListener)>> {
    let Ok(listener) = all.take_tcp_listener(index) else {
        drop(all.take_unix_listener(index)?);
        return Ok(None);
    };
    listener.map(|listener| Ok((listener.local_addr()?, listener))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_taken_by_its_address_and_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut passed = Passed { listeners: vec![(address, listener)] };
        assert!(passed.take("127.0.0.1:1".parse().unwrap()).is_none());
        let taken = TcpListener::from(passed.take(address).unwrap());
        assert_eq!(taken.local_addr().unwrap(), address);
        assert!(passed.take(address).is_none());
    }
}
