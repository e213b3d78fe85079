//! Contact points that cannot be meant so, as real processes find them: two clusters, proxies.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use shardlane::platform::clock::now_ms;
use sim::{ClusterOptions, SimHandle, SimOptions};

/// A cluster of one node at 127.92.2.`last`, and where it is.
fn cluster(last: u8, change: impl FnOnce(&mut ClusterOptions)) -> (SimHandle, SocketAddr) {
    let mut cluster = ClusterOptions {
        address: IpAddr::V4(Ipv4Addr::new(127, 92, 2, last)),
        port: 0,
        shard_aware_port: 0,
        nodes: 1,
        ..ClusterOptions::default()
    };
    change(&mut cluster);
    let sim = SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap();
    let node = sim.contact_points()[0];
    (sim, node)
}

/// A proxy as a process; killed when dropped.
struct Proxy {
    process: Child,
    /// What it has logged that was asked for.
    log: Vec<Value>,
}

impl Proxy {
    /// Starts one; `listen` is where clients and pages are.
    fn start(points: &str, listen: &str, pages: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
        command.env_clear().env("SHARDLANE_LOG_FORMAT", "json");
        command.args(["run", "-c", points, "--bind", listen, "--admin", pages]);
        Self { process: command.stderr(Stdio::piped()).spawn().unwrap(), log: Vec::new() }
    }

    /// Reads the log up to a message, or to its end.
    fn read_log(&mut self, until: &str) -> Option<Value> {
        let stderr = self.process.stderr.as_mut().unwrap();
        for line in BufReader::new(stderr).lines().map(Result::unwrap) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.log.push(line.clone());
            if line["message"] == until {
                return Some(line);
            }
        }
        None
    }

    /// Waits until it has ended by itself, and hands back its exit code and the last line.
    fn ended(&mut self) -> (Option<i32>, String) {
        let began_ms = now_ms();
        while self.process.try_wait().unwrap().is_none() {
            assert!(now_ms() - began_ms < 30_000, "it goes on: {:?}", self.log);
            std::thread::sleep(Duration::from_millis(20));
        }
        self.read_log("");
        let code = self.process.wait().unwrap().code();
        let lines = self.log.iter().filter_map(Value::as_str).collect::<Vec<_>>();
        (code, lines.join("\n"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What the doctor says: exit code, and stdout.
fn doctor(points: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    let output = command.env_clear().args(["doctor", "-c", points]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "lacks: {part}\n{said}");
    }
}

/// An address without a listener.
fn free(address: &str) -> String {
    TcpListener::bind(address).unwrap().local_addr().unwrap().to_string()
}

#[test]
fn run_stops_when_its_contact_points_are_of_two_clusters() {
    let (one, one_at) = cluster(1, |_| {});
    let (other, other_at) = cluster(2, |options| options.name = "other".to_owned());
    let points = format!("{one_at},{other_at}");
    let mut proxy = Proxy::start(&points, "127.92.2.3:0", "127.92.2.3:0");
    let (code, said) = proxy.ended();
    assert_eq!(code, Some(1), "{said}");
    let text = format!("{other_at} is in cluster 'other', {one_at} in cluster 'simulated'");
    says(&said, &[&text, "; name nodes of one cluster in contact_points"]);
    let error = proxy.log.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!((&error["error"], error["hint"].is_string()), (&Value::String(text), true));
    one.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn run_goes_on_with_several_nodes_and_names_of_one_cluster() {
    let (one, one_at) = cluster(11, |options| options.nodes = 2);
    let points = format!("{one_at},127.92.2.12:{},name.invalid", one_at.port());
    let mut proxy = Proxy::start(&points, "127.92.2.13:0", "127.92.2.13:0");
    assert!(proxy.read_log("watching the cluster").is_some());
    // Longer than it takes when there is something to be found.
    std::thread::sleep(Duration::from_millis(700));
    assert!(proxy.process.try_wait().unwrap().is_none(), "{:?}", proxy.log);
    one.stop().unwrap();
}

#[test]
fn run_stops_when_it_would_talk_to_itself_or_to_another_proxy() {
    let own = free("127.92.2.21:0");
    let mut proxy = Proxy::start(&own, &own, "127.92.2.21:0");
    let (code, said) = proxy.ended();
    assert_eq!(code, Some(1), "{said}");
    let text = format!("{own} is where this shardlane itself listens, not a node");
    says(&said, &[&text, "or let the proxy listen elsewhere (bind)"]);

    let port = free("127.92.2.22:0").rsplit(':').next().unwrap().to_owned();
    let anywhere = format!("0.0.0.0:{port}");
    let mut proxy = Proxy::start(&format!("127.92.2.23:{port}"), &anywhere, "127.92.2.22:0");
    let (code, said) = proxy.ended();
    assert_eq!(code, Some(1), "{said}");
    says(&said, &[&format!("127.92.2.23:{port} is where this shardlane itself listens")]);

    let (sim, node) = cluster(24, |_| {});
    let listens = free("127.92.2.25:0");
    let mut first = Proxy::start(&node.to_string(), &listens, "127.92.2.25:0");
    assert!(first.read_log("watching the cluster").is_some());
    let mut second = Proxy::start(&listens, "127.92.2.26:0", "127.92.2.26:0");
    let (code, said) = second.ended();
    assert_eq!(code, Some(1), "{said}");
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("{listens} is a shardlane itself (version {version}), not a node");
    says(&said, &[&text, "name nodes of the cluster in contact_points"]);

    let (code, said) = doctor(&listens);
    assert_eq!(code, Some(1), "{said}");
    says(&said, &[&format!("BAD   contact    {listens}: {text}"), "-> fix     name nodes of the"]);
    let (code, said) = doctor(&format!("{node},{listens}"));
    assert_eq!(code, Some(1), "beside a node as well: {said}");
    says(&said, &[&format!("BAD   contact    {listens}: {text}")]);
    sim.stop().unwrap();
}

#[test]
fn doctor_distinguishes_clusters_though_one_wants_a_login() {
    let user = ("cassandra".to_owned(), "hunter2".to_owned());
    let (closed, closed_at) = cluster(31, |options| options.users = vec![user]);
    let (open, open_at) = cluster(32, |options| options.name = "other".to_owned());
    let (code, said) = doctor(&format!("{closed_at},{open_at}"));
    assert_eq!(code, Some(1), "{said}");
    let text = format!(
        "BAD   contact    {closed_at} wants a login (PasswordAuthenticator), {open_at} wants none \
         and does not list it in its cluster"
    );
    says(&said, &[&text, "-> fix     name nodes of one cluster in contact_points"]);
    closed.stop().unwrap();
    open.stop().unwrap();
}
