//! Signals: two end the process, one has the settings read again, one starts the next process, the others do nothing.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that asks the process for something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProcessSignal {
    /// SIGTERM, to stop: Kubernetes, systemd.
    Terminate,
    /// SIGINT, to stop: a person at a terminal.
    Interrupt,
    /// SIGHUP, to read the settings again: `systemctl reload`.
    Reload,
    /// SIGUSR2, to start the program again and leave it the place: as nginx has it.
    Upgrade,
}

/// Listens to SIGTERM, SIGINT, SIGHUP and SIGUSR2. SIGUSR1 and SIGALRM are ignored: by default each would end
/// the process, and tools send them to servers to have logs rotated.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    upgrade: Signal,
    /// Kept only so that the system's own reaction does not come back.
    _ignored: [Signal; 2],
}

impl Signals {
    /// Takes over the signals from the system's own way, which is to end at once. It needs a
    /// runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hang_up = signal(SignalKind::hangup())?;
        let upgrade = signal(SignalKind::user_defined2())?;
        let [one, alarm] = [SignalKind::user_defined1(), SignalKind::alarm()].map(signal);
        Ok(Self { terminate, interrupt, hang_up, upgrade, _ignored: [one?, alarm?] })
    }

    /// Waits for the next signal. No signal is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> ProcessSignal {
        tokio::select! {
            _ = self.terminate.recv() => ProcessSignal::Terminate,
            _ = self.interrupt.recv() => ProcessSignal::Interrupt,
            _ = self.hang_up.recv() => ProcessSignal::Reload,
            _ = self.upgrade.recv() => ProcessSignal::Upgrade,
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
    fn four_signals_ask_for_something_and_the_others_are_ignored() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            let kill = |flag: &str| {
                let mut kill = Command::new("kill");
                assert!(kill.args([flag, &process::id().to_string()]).status().unwrap().success());
            };
            let wanted = [
                ("-TERM", ProcessSignal::Terminate),
                ("-INT", ProcessSignal::Interrupt),
                ("-HUP", ProcessSignal::Reload),
                ("-USR2", ProcessSignal::Upgrade),
            ];
            for (flag, expected) in wanted {
                for ignored in ["-USR1", "-ALRM"] {
                    kill(ignored);
                }
                kill(flag);
                let heard = timeout(Duration::from_secs(20), signals.next()).await.unwrap();
                assert_eq!(heard, expected);
            }
        });
    }
}
