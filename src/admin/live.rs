//! The live page: its files, and the stream of messages that it is drawn from.
//!
//! A stream ends after some messages, and the page takes it up again: no connection is kept for ever, and
//! a client that reads nothing frees its place.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::sync::mpsc::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::admin::page::{Page, PageSource};

/// Streams at one time: some people with the page open.
const LISTENERS_MAX: usize = 8;
/// Time between two messages.
const PERIOD: Duration = Duration::from_secs(1);
/// Messages of one stream. With their periods they take less time than a connection may.
const MESSAGES: usize = 8;
/// How long the browser waits before it takes the stream up again, ms.
const RETRY_MS: u64 = 250;

/// Says where the page may load from: here, and nothing inline.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file of a path of the page.
pub(crate) fn file(path: &str) -> Option<Page> {
    let (content_type, text) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("live/page.html")),
        "/live.css" => ("text/css; charset=utf-8", include_str!("live/live.css")),
        "/live.js" => ("text/javascript; charset=utf-8", include_str!("live/live.js")),
        "/live.svg" => ("image/svg+xml", include_str!("live/live.svg")),
        _ => return None,
    };
    Some(Page { status: 200, content_type, body: text.to_owned() })
}

/// The places for streams.
#[derive(Clone, Debug)]
pub(crate) struct StreamPlaces(Arc<Semaphore>);

impl Default for StreamPlaces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LISTENERS_MAX)))
    }
}

impl StreamPlaces {
    /// Starts a stream; `None` when there are too many.
    pub(crate) fn start<S: PageSource>(&self, source: Arc<S>) -> Option<Messages> {
        let place = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            for _ in 0..MESSAGES {
                // A worker that is too busy to show itself is asked again.
                let shown = source.live().await;
                let text = shown.map(|json| format!("retry: {RETRY_MS}\ndata: {json}\n\n"));
                let text = text.unwrap_or_else(|reason| format!(": {}\n\n", one_line(&reason)));
                if sender.send(Bytes::from(text)).await.is_err() {
                    return;
                }
                sleep(PERIOD).await;
            }
        });
        Some(Messages { receiver, _place: place })
    }
}

fn one_line(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// The body of a stream. It gives its place back when its client is gone.
#[derive(Debug)]
pub(crate) struct Messages {
    receiver: Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receiver.poll_recv(context).map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}
