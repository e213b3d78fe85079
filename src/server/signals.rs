//! Signals: two end the process, the others do not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal that asks the process to stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// SIGTERM: Kubernetes, systemd.
    Terminate,
    /// SIGINT: a person at a terminal.
    Interrupt,
}

/// Listens to SIGTERM and SIGINT. The first drains; the next ends at once, for impatient people.
/// SIGHUP, SIGUSR1, SIGUSR2 and SIGALRM are ignored: by default each would end the process, and tools send them to servers
/// to have files read again or logs rotated.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Kept only so that the system's own reaction does not come back.
    _ignored: [Signal; 3],
}

impl Signals {
    /// Takes over the signals from the system's own way, which is to end at once. It needs a
    /// runtime.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hang_up = signal(SignalKind::hangup())?;
        let others =
            [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::alarm()];
        let [one, two, alarm] = others.map(signal);
        Ok(Self { terminate, interrupt, hang_up, _ignored: [one?, two?, alarm?] })
    }

    /// Waits for the next signal. No signal is lost when the future is dropped.
    pub async fn next(&mut self) -> Stop {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Stop::Terminate,
                _ = self.interrupt.recv() => return Stop::Interrupt,
                _ = self.hang_up.recv() => tracing::info!(
                    "SIGHUP: certificates and passwords are read again by themselves; a change of \
                     settings needs a restart"
                ),
            }
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
    fn two_signals_stop_the_process_and_the_others_are_ignored() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            let kill = |flag: &str| {
                let mut kill = Command::new("kill");
                assert!(kill.args([flag, &process::id().to_string()]).status().unwrap().success());
            };
            for (flag, expected) in [("-TERM", Stop::Terminate), ("-INT", Stop::Interrupt)] {
                for ignored in ["-HUP", "-USR1", "-USR2", "-ALRM"] {
                    kill(ignored);
                }
                kill(flag);
                let heard = timeout(Duration::from_secs(20), signals.next()).await.unwrap();
                assert_eq!(heard, expected);
            }
        });
    }
}
