//! A process that runs: it is waited for, reads its settings again, and is stopped.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use crate::command_line::{Served, get, shardlane, text};

/// A server without a cluster that serves at once, and the addresses of its clients and of its pages.
fn serve_without_cluster(bind: &str, more: &[&str]) -> (Served, String, String) {
    serve_with(bind, more, &[])
}

/// The same with these variables.
fn serve_with(bind: &str, more: &[&str], variables: &[(&str, &str)]) -> (Served, String, String) {
    launch(Command::new(env!("CARGO_BIN_EXE_shardlane")), bind, more, variables)
}

/// Starts the server by a command that takes its arguments.
fn launch(
    mut command: Command,
    bind: &str,
    more: &[&str],
    variables: &[(&str, &str)],
) -> (Served, String, String) {
    for name in ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command.env("SHARDLANE_LOG_FORMAT", "json").env("SHARDLANE_STARTUP", "at-once");
    // Nothing listens at the discard port of this address.
    command.args(["run", "-c", "127.0.63.32:9", "--bind", bind, "--admin", bind]).args(more);
    let mut server = Served(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("\"admin\"")).unwrap();
    let line = serde_json::from_str::<serde_json::Value>(&line).unwrap();
    let place = |key: &str| line.get(key).unwrap().as_str().unwrap().to_owned();
    let places = (place("clients"), place("admin"));
    // The pipe is read to its end, so that the log never blocks.
    std::thread::spawn(move || lines.for_each(drop));
    (server, places.0, places.1)
}

#[test]
fn wait_ends_when_clients_are_served_and_shutdown_stops_the_server() {
    let absent = shardlane(&["wait", "--admin", "127.0.63.33:9", "--timeout", "0"]);
    assert_eq!(absent.status.code(), Some(1));
    let said = text(&absent.stderr);
    assert!(said.contains("no answer from 127.0.63.33:9, which is `admin`"), "{said}");

    let (mut server, _, admin) = serve_without_cluster("127.0.63.34:0", &[]);
    let waited = shardlane(&["wait", "--admin", &admin, "--timeout", "60"]);
    assert_eq!(waited.status.code(), Some(0), "{}", text(&waited.stderr));
    let stopped = shardlane(&["shutdown", "--admin", &admin]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn clients_are_served_for_the_shortest_delay_after_sigterm() {
    let flags = ["--min-sigterm-delay", "600", "--exit-zero-on-sigterm"];
    let (mut server, clients, admin) = serve_without_cluster("127.0.63.35:0", &flags);
    let terminate = || Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status();
    assert!(get(&admin, "/startup").starts_with("HTTP/1.1 200 "));
    assert!(terminate().unwrap().success());
    while !get(&admin, "/readyz").contains("\"draining\"") {}
    let mut client = TcpStream::connect(&clients).unwrap();
    // OPTIONS of protocol v4, which is answered by the proxy itself.
    client.write_all(&[4, 0, 0, 0, 5, 0, 0, 0, 0]).unwrap();
    let mut header = [0; 9];
    client.read_exact(&mut header).unwrap();
    assert_eq!((header[0], header[4]), (0x84, 6), "SUPPORTED");
    assert!(terminate().unwrap().success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "the second one ends the delay");
}

#[test]
fn settings_are_read_again_when_asked_and_when_their_file_changes() {
    let file = env::temp_dir().join(format!("shardlane-reload-{}.toml", process::id()));
    let settings = |workers: u32, clients_max: &str| {
        let table =
            format!("[limits]\nclients_max = {clients_max}\n[timeouts]\nfile_poll_ms = 3600000\n");
        fs::write(&file, format!("workers = {workers}\n{table}")).unwrap();
    };
    settings(1, "100");
    let path = file.to_str().unwrap();
    let (server, clients, admin) = serve_without_cluster("127.0.63.36:0", &["--config", path]);
    let metric = |name: &str| {
        let page = get(&admin, "/metrics");
        let line = page.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{page}")).rsplit(' ').next().unwrap().to_owned()
    };
    let limit = || metric("shardlane_limit{setting=\"clients_max\"}");
    let mut client = TcpStream::connect(&clients).unwrap();
    let reload = || shardlane(&["reload", "--admin", &admin]);

    // One setting takes effect, another waits; the client that is there goes on.
    settings(2, "200");
    let reloaded = reload();
    assert_eq!(reloaded.status.code(), Some(0), "{}", text(&reloaded.stderr));
    let changed = "changed: limits.clients_max; waits for a restart: workers\n";
    assert_eq!((text(&reloaded.stdout), limit()), (changed.to_owned(), "200".to_owned()));
    client.write_all(&[4, 0, 0, 0, 5, 0, 0, 0, 0]).unwrap();
    client.read_exact(&mut [0; 9]).unwrap();

    // A faulty file changes nothing, and says why.
    settings(1, "\"many\"");
    let refused = reload();
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the previous settings stay in force") && said.contains("many"),
        "{said}"
    );
    assert_eq!(limit(), "200");
    let failed = ("shardlane_config_last_reload_successful", "shardlane_config_generation");
    assert_eq!((metric(failed.0), metric(failed.1)), ("0".to_owned(), "2".to_owned()));

    // SIGHUP reads them, too.
    settings(1, "300");
    let pid = server.0.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    while limit() != "300" {}
    assert_eq!((metric(failed.0), metric(failed.1)), ("1".to_owned(), "3".to_owned()));
    fs::remove_file(&file).unwrap();
}

#[test]
fn a_changed_file_of_settings_is_read_by_itself() {
    let file = env::temp_dir().join(format!("shardlane-watched-{}.toml", process::id()));
    let settings = |clients_max: u32| {
        let text =
            format!("[limits]\nclients_max = {clients_max}\n[timeouts]\nfile_poll_ms = 100\n");
        fs::write(&file, text).unwrap();
    };
    settings(100);
    let path = file.to_str().unwrap();
    let (_server, _, admin) = serve_without_cluster("127.0.63.37:0", &["--config", path]);
    settings(400);
    let becomes =
        |wanted: &str| while !get(&admin, "/metrics").lines().any(|line| line == wanted) {};
    becomes("shardlane_limit{setting=\"clients_max\"} 400");

    // Without it the next start would fail: that is a failed reload, until it is there again.
    fs::remove_file(&file).unwrap();
    becomes("shardlane_config_last_reload_successful 0");
    settings(400);
    becomes("shardlane_config_last_reload_successful 1");
    fs::remove_file(&file).unwrap();
}

/// Sends a message of protocol v4 and returns the opcode of the answer.
#[cfg(feature = "demo")]
fn ask(client: &mut TcpStream, opcode: u8, body: &[u8]) -> u8 {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    client.write_all(&[&[4, 0, 0, 1, opcode], &len[..], body].concat()).unwrap();
    let mut header = [0; 9];
    client.read_exact(&mut header).unwrap();
    let len = u32::from_be_bytes(header[5..].try_into().unwrap());
    client.read_exact(&mut vec![0; usize::try_from(len).unwrap()]).unwrap();
    header[4]
}

#[cfg(feature = "demo")]
#[test]
fn texts_go_by_the_mode_that_was_set_last() {
    let mut sim = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    sim.args(["sim", "--address", "127.0.63.38", "--nodes", "1", "--port", "0"]);
    sim.args(["--shard-aware-port", "0"]).stdout(Stdio::piped());
    let mut sim = Served(sim.spawn().unwrap());
    let mut lines = BufReader::new(sim.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let node = lines.find_map(|line| line.strip_prefix("node ").map(str::to_owned)).unwrap();

    let file = env::temp_dir().join(format!("shardlane-mode-{}.toml", process::id()));
    let set_mode = |mode: &str| {
        let rest = "[timeouts]\nfile_poll_ms = 3600000\n";
        fs::write(&file, format!("[text]\nmode = \"{mode}\"\n{rest}")).unwrap();
    };
    set_mode("off");
    let more = ["-c", &node, "--config", file.to_str().unwrap()];
    let (_server, clients, admin) = serve_without_cluster("127.0.63.39:0", &more);
    let metric = |name: &str| {
        let page = get(&admin, "/metrics");
        let line = page.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("{page}"));
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let unread = || metric("shardlane_routing_total{reason=\"text\"}");
    let executed = || metric("shardlane_texts_executed_total");
    let reload = |mode: &str| {
        set_mode(mode);
        let changed = shardlane(&["reload", "--admin", &admin]);
        assert_eq!(text(&changed.stdout), "changed: text.mode\n", "{}", text(&changed.stderr));
    };

    while !get(&admin, "/readyz").starts_with("HTTP/1.1 200") {}
    let mut client = TcpStream::connect(&clients).unwrap();
    assert_eq!(ask(&mut client, 1, b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"), 2, "READY");
    let mut query = |text: &str| {
        let len = u32::try_from(text.len()).unwrap().to_be_bytes();
        let body = [&len, text.as_bytes(), &[0, 1, 0]].concat();
        assert_eq!(ask(&mut client, 7, &body), 8, "a RESULT for {text}");
    };
    let replication = "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}";
    query(&format!("CREATE KEYSPACE ks WITH replication = {replication}"));
    query("CREATE TABLE ks.t (k int PRIMARY KEY)");
    let mut read = || query("SELECT k FROM ks.t WHERE k = 1");

    let before = unread();
    read();
    assert_eq!(unread(), before + 1, "it is not read");
    reload("route");
    (0..20).for_each(|_| read());
    assert_eq!((unread(), executed()), (before + 1, 0), "all are read, and sent as they are");
    reload("execute");
    while executed() == 0 {
        read();
    }
    reload("off");
    let (before, run) = (unread(), executed());
    (0..20).for_each(|_| read());
    assert_eq!((unread(), executed()), (before + 20, run));
    fs::remove_file(&file).unwrap();
}

/// What the environment of a process says of the C library's allocator, and its arguments.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocator_and_arguments(server: &Served) -> (Vec<String>, Vec<String>) {
    let read = |file: &str| {
        let bytes = fs::read(format!("/proc/{}/{file}", server.0.id())).unwrap();
        bytes.split(|byte| *byte == 0).map(text).collect::<Vec<String>>()
    };
    let of_allocator = |word: &String| word.contains("MALLOC_") || word.contains("GLIBC_TUNABLES");
    let mut words = read("environ");
    words.retain(of_allocator);
    words.sort();
    (words, read("cmdline"))
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_process_that_runs_gives_freed_memory_back() {
    let (server, ..) = serve_without_cluster("127.0.63.36:0", &["--workers", "2"]);
    let (allocator, arguments) = allocator_and_arguments(&server);
    assert_eq!(
        allocator,
        [
            "MALLOC_MMAP_THRESHOLD_=32768",
            "MALLOC_SET_BY_SHARDLANE=1",
            "MALLOC_TRIM_THRESHOLD_=131072"
        ]
    );
    assert_eq!(arguments[0], env!("CARGO_BIN_EXE_shardlane"));
    assert_eq!(arguments[arguments.len() - 3..], ["--workers", "2", ""]);
}

#[test]
fn clients_for_whom_there_is_no_file_descriptor_are_refused_by_name() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_shardlane")]);
    let (_server, clients, _) = launch(command, "127.0.63.38:0", &[], &[]);
    let options = [4, 0, 0, 1, 5, 0, 0, 0, 0];
    let mut kept = Vec::new();
    let (mut served, mut refused) = (0, Vec::new());
    // Beyond half of the descriptors there are eight for refusals.
    while refused.len() < 5 && served < 40 {
        let mut client = TcpStream::connect(&clients).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.write_all(&options).unwrap();
        let mut head = [0; 9];
        client.read_exact(&mut head).expect("an answer before the end");
        let mut body = vec![0; usize::from(head[7]) << 8 | usize::from(head[8])];
        client.read_exact(&mut body).unwrap();
        match head[4] {
            0 => refused.push(String::from_utf8_lossy(&body).into_owned()),
            _ => served += 1,
        }
        kept.push(client);
    }
    let wanted = "32 of those that the process may have (ulimit -n) are for clients";
    assert!((5..32).contains(&served), "{served} served");
    assert!(refused.iter().all(|why| why.contains(wanted)), "{refused:?}");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn an_allocator_that_the_operator_has_set_stays() {
    let chosen = "glibc.malloc.arena_max=1";
    let (server, ..) = serve_with("127.0.63.37:0", &[], &[("GLIBC_TUNABLES", chosen)]);
    let (allocator, _) = allocator_and_arguments(&server);
    assert_eq!(allocator, [format!("GLIBC_TUNABLES={chosen}")]);
}
