//! The pages over a real socket.

use std::net::SocketAddr;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::*;
use crate::admin::readiness::{ProcessState, Readiness};

struct Pages {
    readiness: watch::Receiver<Readiness>,
    metrics: Result<String, String>,
    quits: AtomicU64,
    reloads: AtomicU64,
    level: RwLock<String>,
}

impl Pages {
    fn new(readiness: watch::Receiver<Readiness>, metrics: Result<String, String>) -> Self {
        let (quits, reloads) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { readiness, metrics, quits, reloads, level: RwLock::default() }
    }
}

impl PageSource for Pages {
    async fn metrics(&self, _: Format) -> Result<String, String> {
        self.metrics.clone()
    }

    fn readiness(&self) -> Readiness {
        self.readiness.borrow().clone()
    }

    async fn live(&self) -> Result<String, String> {
        Ok("{\"now_ms\":1}".to_owned())
    }

    fn shows_page(&self, is_local: bool) -> bool {
        is_local
    }

    fn quit(&self) {
        self.quits.fetch_add(1, Ordering::Relaxed);
    }

    async fn reload(&self) -> Result<String, String> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Ok("changed: nothing".to_owned())
    }

    fn log_level(&self) -> String {
        self.level.read().unwrap().clone()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        if level != "debug" {
            return Err(format!("`{level}` is not a level"));
        }
        level.clone_into(&mut self.level.write().unwrap());
        Ok(())
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn start(patience: Duration) -> (SocketAddr, watch::Sender<Readiness>) {
    let listener = TcpListener::bind("127.0.63.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, readiness) = watch::channel(Readiness::default());
    let metrics = Ok("# TYPE a counter\na 1\n".to_owned());
    tokio::spawn(serve_within(listener, Arc::new(Pages::new(readiness, metrics)), patience));
    (address, sender)
}

async fn ask(address: SocketAddr, line: &str) -> Answer {
    ask_as(address, &address.to_string(), line).await
}

/// The same, with another name of the host.
async fn ask_as(address: SocketAddr, host: &str, line: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(Duration::from_secs(20), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

#[test]
fn metrics_have_exactly_the_type_that_scrapers_expect() {
    runtime().block_on(async {
        let (address, _readiness) = start(CONNECTION_TIMEOUT).await;
        let answer = ask(address, "GET /metrics").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "# TYPE a counter\na 1\n"));
        let types = answer.head.lines().filter(|line| line.starts_with("content-type:"));
        assert_eq!(types.collect::<Vec<_>>(), ["content-type: text/plain; version=0.0.4"]);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let accept = "Accept: application/openmetrics-text; version=1.0.0";
        let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let wanted = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
        assert!(text.contains(wanted), "{text}");
    });
}

#[test]
fn a_browser_gets_the_page_and_others_the_list_of_pages() {
    runtime().block_on(async {
        let (address, _readiness) = start(CONNECTION_TIMEOUT).await;
        let list = ask(address, "GET /").await;
        assert!(list.head.contains("content-type: text/plain") && list.body.contains("/metrics"));
        for (path, kind) in [("/live.js", "text/javascript"), ("/live.css", "text/css")] {
            let answer = ask(address, &format!("GET {path}")).await;
            assert_eq!(answer.status, 200);
            assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
            assert!(answer.head.contains("content-security-policy: default-src 'none'"));
        }
    });
}

#[test]
fn a_stream_has_its_messages_and_ends() {
    runtime().block_on(async {
        let (address, _readiness) = start(CONNECTION_TIMEOUT).await;
        let began = clock::now_us();
        let answer = ask(address, "GET /events").await;
        assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
        assert_eq!(answer.body.matches("data: {\"now_ms\":1}").count(), 8);
        assert!(clock::now_us() - began >= 7_000_000, "one message a second");
    });
}

#[test]
fn probes_follow_the_life_of_the_process_under_all_their_names() {
    runtime().block_on(async {
        let (address, sender) = start(CONNECTION_TIMEOUT).await;
        let lives = [
            (Readiness::default(), [503, 503]),
            (Readiness::because(ProcessState::Serving, "no lane to any node"), [200, 503]),
            (Readiness::serving(), [200, 200]),
            (Readiness::because(ProcessState::Draining, "stopping"), [200, 503]),
        ];
        for (readiness, [startup, ready]) in lives {
            sender.send(readiness.clone()).unwrap();
            for (path, expected) in [
                ("/startup", startup),
                ("/ready", ready),
                ("/readyz", ready),
                ("/readiness", ready),
                ("/live", 200),
                ("/livez", 200),
                ("/liveness", 200),
            ] {
                let answer = ask(address, &format!("GET {path}")).await;
                assert_eq!(answer.status, expected, "{path} when {readiness:?}");
            }
        }
    });
}

#[test]
fn an_unready_process_says_why_in_json() {
    runtime().block_on(async {
        let (address, sender) = start(CONNECTION_TIMEOUT).await;
        sender.send(Readiness::because(ProcessState::Serving, "no lane to any node")).unwrap();
        let answer = ask(address, "GET /readyz").await;
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        assert_eq!(answer.body, "{\"state\":\"serving\",\"reasons\":[\"no lane to any node\"]}\n");
    });
}

#[test]
fn other_paths_and_methods_are_refused() {
    runtime().block_on(async {
        let (address, _readiness) = start(CONNECTION_TIMEOUT).await;
        for (line, status) in [
            ("GET /metricz", 404),
            ("HEAD /metrics", 200),
            ("GET /", 200),
            ("GET /ready?verbose", 503),
        ] {
            let answer = ask(address, line).await;
            assert_eq!(answer.status, status, "{line}");
            assert!(!answer.head.contains("allow: "), "{line}");
        }
        for (line, allowed) in [
            ("POST /nothing", "get, head"),
            ("POST /metrics", "get, head"),
            ("DELETE /", "get, head"),
            ("GET /quitquitquit", "post"),
            ("HEAD /shutdown", "post"),
            ("GET /reload", "post"),
            ("PUT /reload", "post"),
            ("POST /log-level", "get, head, put"),
        ] {
            let answer = ask(address, line).await;
            assert_eq!(answer.status, 405, "{line}");
            let header = format!("allow: {allowed}");
            assert!(answer.head.lines().any(|it| it == header), "{line}: {}", answer.head);
        }
    });
}

#[test]
fn a_silent_client_is_closed_after_a_time() {
    runtime().block_on(async {
        let (address, _readiness) = start(Duration::from_millis(200)).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let (mut byte, patience) = ([0], Duration::from_secs(20));
        assert_eq!(timeout(patience, silent.read(&mut byte)).await.unwrap().unwrap(), 0);
    });
}

#[test]
fn a_probe_does_not_wait_behind_silent_clients() {
    runtime().block_on(async {
        let (address, _readiness) = start(Duration::from_secs(60)).await;
        let mut silent = Vec::new();
        for _ in 0..3 * CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        // The places of silent clients end after a second at the earliest: in time means without waiting for that.
        let answer = timeout(HEAD_TIMEOUT / 2, ask(address, "GET /livez")).await;
        assert_eq!(answer.expect("no answer in time").status, 200);
        let mut byte = [0];
        assert!(matches!(silent[0].read(&mut byte).await, Ok(0) | Err(_)), "the oldest gave way");
    });
}

#[test]
fn a_client_without_a_request_is_closed_before_the_time_for_an_answer_ends() {
    runtime().block_on(async {
        let (address, _readiness) = start(Duration::from_secs(60)).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let (mut byte, patience) = ([0], Duration::from_secs(20));
        let closed = timeout(patience, silent.read(&mut byte)).await;
        assert!(closed.is_ok(), "it still has its place after {patience:?}");
    });
}

#[test]
fn metrics_that_cannot_be_rendered_are_an_error_of_ours() {
    runtime().block_on(async {
        let (_, readiness) = watch::channel(Readiness::default());
        let pages = Pages::new(readiness, Err("two of a name".to_owned()));
        let page = page::answer("/metrics", Format::Text, &pages).await;
        assert_eq!(page.status, 500);
        assert!(page.body.contains("two of a name"));
    });
}

#[test]
fn only_the_loopback_may_ask_the_process_for_something() {
    runtime().block_on(async {
        let (_, readiness) = watch::channel(Readiness::default());
        let pages = Pages::new(readiness, Ok(String::new()));
        let ask = async |method, path, is_local, body| {
            let command = AdminCommand::of(method, path)?;
            Some(page::act(command, is_local, body, &pages).await.status)
        };
        assert_eq!(ask("POST", "/shutdown", false, "").await, Some(403));
        assert_eq!(ask("POST", "/reload", false, "").await, Some(403));
        assert_eq!(ask("PUT", "/log-level", false, "debug").await, Some(403));
        let counts =
            || (pages.quits.load(Ordering::Relaxed), pages.reloads.load(Ordering::Relaxed));
        assert_eq!((counts(), pages.log_level()), ((0, 0), String::new()));
        for path in ["/shutdown", "/quitquitquit", "/reload"] {
            assert_eq!(ask("POST", path, true, "").await, Some(200), "{path}");
        }
        assert_eq!(ask("PUT", "/log-level", true, " debug\n").await, Some(200));
        assert_eq!((counts(), pages.log_level()), ((2, 1), "debug".to_owned()));
        assert_eq!(ask("PUT", "/log-level", true, "loud").await, Some(422));
        assert_eq!(ask("POST", "/metrics", true, "").await, None);
        assert_eq!(ask("POST", "/log-level", true, "debug").await, None);
    });
}

#[test]
fn a_site_in_a_browser_may_not_ask_the_process_for_something() {
    runtime().block_on(async {
        let (address, _readiness) = start(Duration::from_secs(60)).await;
        let site = "POST /reload HTTP/1.1\r\nOrigin: https://elsewhere.example\r\nX-Line:";
        assert_eq!(ask(address, site).await.status, 403);
        assert_eq!(ask(address, "POST /reload").await.status, 200);
        assert_eq!(ask_as(address, "elsewhere.example", "POST /reload").await.status, 403);
        assert_eq!(ask_as(address, "elsewhere.example:9380", "GET /events").await.status, 403);
        assert_eq!(ask_as(address, "local host", "POST /reload").await.status, 403);
        for host in ["localhost:9380", "LOCALHOST", "127.0.0.1", "[::1]:9380", "[::1]"] {
            assert_eq!(ask_as(address, host, "POST /reload").await.status, 200, "{host}");
        }
    });
}

#[test]
fn a_body_reaches_the_process_and_a_long_one_is_refused() {
    runtime().block_on(async {
        let (address, _readiness) = start(Duration::from_secs(60)).await;
        let put = async |body: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}",
                body.len()
            );
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.ok();
            text.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(put("debug").await, "HTTP/1.1 200 OK");
        assert_eq!(ask(address, "GET /log-level").await.body, "debug\n");
        assert_eq!(put(&"x".repeat(5_000)).await, "HTTP/1.1 413 Payload Too Large");
    });
}
