//! A state, collected from a worker in small parts and made into bytes, chunk by chunk.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::engine::learned::{LearnedPart, PartStart};
use crate::state::format::Writer;
use crate::state::record::StateHeader;
use crate::worker::command::WorkerCommand;

/// Bytes that are handed out at once, some more or less.
const CHUNK: usize = 256 << 10;
/// Room for the last record.
const END_BYTES: u64 = 64;

/// What one worker knows, as a state.
#[derive(Debug)]
pub(crate) struct Collector {
    worker: Sender<WorkerCommand>,
    about: Option<StateHeader>,
    writer: Writer,
    /// Where the next part begins; `None` when all was handed out.
    next: Option<PartStart>,
    written: u64,
    bytes_max: u64,
    pause: Duration,
}

impl Collector {
    /// Collects a state of at most `bytes_max`. The worker has a pause between two parts.
    #[must_use]
    pub(crate) fn new(
        worker: Sender<WorkerCommand>,
        about: StateHeader,
        bytes_max: u64,
        pause: Duration,
    ) -> Self {
        let (writer, next) = (Writer::default(), Some(PartStart::BEGIN));
        Self { worker, about: Some(about), writer, next, written: 0, bytes_max, pause }
    }

    /// The next bytes; `None` behind the last. It fails when the worker has ended.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = Vec::new();
        while let Some(place) = self.next {
            let part = self.part(place).await?;
            if let Some(about) = self.about.take() {
                let about = StateHeader { incomplete: part.incomplete, ..about };
                self.writer = Writer::begin(&mut chunk, about);
            }
            let fits = self.put(&mut chunk, &part);
            self.next = part.next.filter(|_| fits);
            if self.next.is_none() {
                self.writer.end(&mut chunk);
                break;
            }
            if chunk.len() >= CHUNK {
                break;
            }
            sleep(self.pause).await;
        }
        self.written += wide(chunk.len());
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// Appends a part; `false` when there is no room for all of it.
    fn put(&mut self, chunk: &mut Vec<u8>, part: &LearnedPart) -> bool {
        let room = self.bytes_max.saturating_sub(self.written + END_BYTES);
        for record in &part.records {
            let before = chunk.len();
            self.writer.put(chunk, record);
            if wide(chunk.len()) > room {
                self.writer.take_back(chunk, before);
                return false;
            }
        }
        true
    }

    async fn part(&self, from: PartStart) -> io::Result<LearnedPart> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the worker has ended");
        let (to, part) = oneshot::channel();
        self.worker.send(WorkerCommand::Learned { from, to }).await.map_err(|_| gone())?;
        part.await.map_err(|_| gone())
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
