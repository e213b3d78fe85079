//! Signals that end the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who told us to stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// SIGTERM: Kubernetes, systemd.
    Terminate,
    /// SIGINT: a person at a terminal.
    Interrupt,
}

/// Listens to SIGTERM and SIGINT. The first drains; the next ends at once, for impatient people.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over both signals from the system's own way, which is to end at once. It needs a
    /// runtime.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal. No signal is lost when the future is dropped.
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn both_signals_are_heard() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            for (flag, expected) in [("-TERM", Stop::Terminate), ("-INT", Stop::Interrupt)] {
                let mut kill = Command::new("kill");
                assert!(kill.args([flag, &process::id().to_string()]).status().unwrap().success());
                let heard = timeout(Duration::from_secs(20), signals.next()).await.unwrap();
                assert_eq!(heard, expected);
            }
        });
    }
}
