//! The program as a shell sees it: exit codes, and which stream says what.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{self, Child, Command, Output, Stdio};

pub(crate) fn shardlane(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().args(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_are_no_failure_and_go_to_stdout() {
    let version = shardlane(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), concat!("shardlane ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = shardlane(&["run", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--contact-points"));
}

#[test]
fn wrong_usage_is_code_2_and_goes_to_stderr() {
    for args in [&["run", "--no-such-flag"][..], &["sim", "--nodes", "many"], &["fly"], &[]] {
        let output = shardlane(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(text(&output.stderr).contains("--help"), "{args:?}");
    }
}

#[test]
fn a_faulty_configuration_is_code_2_with_every_fault() {
    let path = env::temp_dir().join(format!("shardlane-faulty-{}.toml", process::id()));
    fs::write(&path, "port = 0\nworkers = 'two'\n").unwrap();
    let outputs = ["check", "run"]
        .map(|command| shardlane(&[command, "--config", path.to_str().unwrap(), "--bind", "here"]));
    fs::remove_file(&path).unwrap();
    for output in outputs {
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(output.stdout.is_empty(), "the settings hide the faults");
        for part in [
            "4 faults",
            "port = \"0\"",
            "bind = \"here\"",
            "line 2, column 11",
            "contact_points is not set",
        ] {
            assert!(printed.contains(part), "lacks {part}: {printed}");
        }
    }
}

#[test]
fn a_sound_configuration_is_code_0() {
    let output = shardlane(&["check", "--contact-points", "db.example.com"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    assert!(text(&output.stdout).lines().any(|line| line.starts_with("limits.tablets_max ")));
}

#[test]
fn a_reader_of_stdout_that_has_enough_is_no_fault() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().args(["check", "--contact-points", "db.example.com"]);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &text(&output.stderr)[..]), (Some(0), ""));
}

/// A process that serves; killed when dropped, should a test fail.
pub(crate) struct Served(pub(crate) Child);

impl Served {
    /// Ends it as Kubernetes does, and hands back its exit code.
    fn terminate(&mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_simulated_cluster_says_when_it_listens_and_ends_on_sigterm() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.args(["sim", "--address", "127.0.63.20", "--nodes", "2", "--port", "0"]);
    command.args(["--shard-aware-port", "0"]).stdout(Stdio::piped());
    let mut sim = Served(command.spawn().unwrap());
    let lines = BufReader::new(sim.0.stdout.take().unwrap()).lines();
    let lines = lines.map(Result::unwrap).take_while(|line| line != "ready").collect::<Vec<_>>();
    let nodes = lines.iter().map(|line| line.strip_prefix("node ").unwrap());
    let nodes = nodes.map(|node| node.parse::<std::net::SocketAddr>().unwrap()).collect::<Vec<_>>();
    let addresses = nodes.iter().map(|node| node.ip().to_string()).collect::<Vec<_>>();
    assert_eq!(addresses, ["127.0.63.20", "127.0.63.21"]);
    for node in nodes {
        TcpStream::connect(node).unwrap();
    }
    assert_eq!(sim.terminate(), Some(0));
}

#[cfg(feature = "demo")]
#[test]
fn a_port_that_is_taken_is_code_1() {
    let taken = TcpListener::bind("127.0.63.30:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = shardlane(&["sim", "--address", "127.0.63.30", "--nodes", "1", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stderr);
    assert!(printed.contains(&format!("cannot listen on 127.0.63.30:{port}")), "{printed}");
}

/// The answer to a GET, head and body.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_server_is_alive_but_not_ready_without_a_cluster() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env("SHARDLANE_LOG_FORMAT", "json").env("SHARDLANE_WORKER", "2");
    // Nothing listens at the discard port of this address.
    command.args(["run", "-c", "127.0.63.32:9", "--bind", "127.0.63.31:0"]);
    command.args(["--admin", "127.0.63.31:0"]).stderr(Stdio::piped());
    let mut server = Served(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap()).unwrap();
    let warning = next();
    assert_eq!((&warning["level"], &warning["name"]), (&"WARN".into(), &"SHARDLANE_WORKER".into()));
    let admin = next()["admin"].as_str().unwrap().to_owned();
    for (path, status) in [("/livez", 200), ("/readyz", 503), ("/startup", 503), ("/metrics", 200)]
    {
        let answer = get(&admin, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    assert!(get(&admin, "/metrics").contains("\nshardlane_client_connections 0\n"));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_client_beyond_the_bound_is_logged_with_the_setting_and_its_value() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env("SHARDLANE_LOG_FORMAT", "json").env("SHARDLANE_LIMITS_CLIENTS_MAX", "1");
    command.env("SHARDLANE_STARTUP", "at-once");
    command.args(["run", "-c", "127.0.63.34:9", "--bind", "127.0.63.33:0"]);
    command.args(["--admin", "127.0.63.33:0"]).stderr(Stdio::piped());
    let mut server = Served(command.spawn().unwrap());
    let lines = BufReader::new(server.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
    let address = lines.next().unwrap()["clients"].as_str().unwrap().to_owned();
    // A client that has not finished STARTUP would give way to the next.
    let mut first = TcpStream::connect(&address).unwrap();
    let startup = b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
    first.write_all(startup).unwrap();
    let mut header = [0; 9];
    first.read_exact(&mut header).unwrap();
    assert_eq!((header[0], header[4]), (0x84, 2), "READY");
    let mut second = TcpStream::connect(&address).unwrap();
    second.write_all(startup).unwrap();
    second.read_exact(&mut header).unwrap();
    assert_eq!((header[0], header[4]), (0x84, 0), "ERROR");
    let line = lines.find(|line| line["setting"] == "limits.clients_max").unwrap();
    assert_eq!((&line["level"], &line["value"]), (&"WARN".into(), &1.into()));
    drop((first, second));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn files_of_tls_are_judged_without_a_network() {
    let folder = env::temp_dir().join(format!("shardlane-tls-files-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name).to_str().unwrap().to_owned();
        fs::write(&path, text).unwrap();
        path
    };
    let pair = rcgen::generate_simple_self_signed(["db.example.com".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["db.example.com".to_owned()]).unwrap();
    let (cert, key) =
        (file("cert", &pair.cert.pem()), file("key", &pair.signing_key.serialize_pem()));
    let stranger = file("stranger", &other.signing_key.serialize_pem());
    let garbage = file("garbage", "-----BEGIN");
    let check = |args: &[&str]| shardlane(&[&["check", "-c", "db.example.com"], args].concat());

    let good = check(&["--tls-ca", &cert, "--bind-tls-cert", &cert, "--bind-tls-key", &key]);
    let faulty =
        check(&["--tls-ca", &garbage, "--bind-tls-cert", &cert, "--bind-tls-key", &stranger]);
    let absent = check(&["--tls-ca", "/no/such/ca"]);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert_eq!((faulty.status.code(), absent.status.code()), (Some(2), Some(2)));
    let printed = text(&faulty.stderr);
    for part in [
        "2 faults",
        &format!("tls.ca = \"{garbage}\" (flag --tls-ca): holds no certificate in PEM form; give"),
        &format!("bind_tls.key = \"{stranger}\" (flag --bind-tls-key): is not the key of the cert"),
    ] {
        assert!(printed.contains(part), "lacks {part}: {printed}");
    }
    let printed = text(&absent.stderr);
    assert!(
        printed.contains("tls.ca = \"/no/such/ca\" (flag --tls-ca): cannot be read"),
        "{printed}"
    );
}

#[test]
fn an_address_that_cannot_be_bound_is_reported_with_its_setting_and_a_fix() {
    let holder = TcpListener::bind("127.92.3.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let nowhere = env::temp_dir().join("no-such-folder/cql.sock");
    let nowhere = format!("unix:{}", nowhere.display());
    let cases = [
        ("bind", taken.as_str(), "give another port, or end what holds this one: `ss -ltnpx`"),
        ("admin", &taken, "give another port, or end what holds this one: `ss -ltnpx`"),
        ("bind", "192.0.2.1:9042", "give an address of this machine (`ip address` lists them)"),
        ("bind", &nowhere, "give a path in a folder that exists"),
    ];
    for (setting, address, fix) in cases {
        let flag = format!("--{setting}");
        let other = if setting == "bind" { "--admin" } else { "--bind" };
        let args = ["run", "-c", "127.92.3.2:9", &flag, address, other, "127.92.3.1:0"];
        let output = shardlane(&args);
        assert_eq!(output.status.code(), Some(1), "{address}");
        let printed = text(&output.stderr);
        let what = format!("{setting}: cannot listen at {address}: ");
        assert!(printed.contains(&what) && printed.contains(fix), "{printed}");
    }
    drop(holder);
}

#[test]
fn a_password_file_with_more_than_the_password_is_a_fault() {
    let path = env::temp_dir().join(format!("shardlane-two-lines-{}", process::id()));
    fs::write(&path, "cassandra\nhunter2\n").unwrap();
    let file = path.to_str().unwrap();
    let args = ["check", "-c", "db", "--username", "bob", "--password-file", file];
    let output = shardlane(&args);
    fs::remove_file(&path).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    assert!(printed.contains("the file has more than one line; give the path of a"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_password_file_that_all_users_may_read_is_a_warning_and_one_with_nul_a_fault() {
    let path = env::temp_dir().join(format!("shardlane-open-password-{}", process::id()));
    let file = path.to_str().unwrap();
    let check = |bytes: &[u8], mode| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        shardlane(&["check", "-c", "db", "--username", "bob", "--password-file", file])
    };
    let (open, closed) = (check(b"hunter2\n", 0o644), check(b"hunter2\n", 0o400));
    fs::remove_file(&path).unwrap();
    let nul = check(b"hunter2\0x\n", 0o600);
    fs::remove_file(&path).unwrap();
    let warning = "all users of the machine may read the password, by mode 0644; take that from";
    assert_eq!((open.status.code(), closed.status.code()), (Some(0), Some(0)));
    assert!(text(&open.stdout).contains(warning), "{}", text(&open.stdout));
    assert!(!text(&closed.stdout).contains("may read"), "{}", text(&closed.stdout));
    assert_eq!(nul.status.code(), Some(2));
    assert!(text(&nul.stderr).contains("has a NUL character in it"), "{}", text(&nul.stderr));
    for output in [open, closed, nul] {
        assert!(!text(&[output.stdout, output.stderr].concat()).contains("hunter2"));
    }
}

#[test]
fn a_variable_that_names_no_setting_is_reported_and_those_of_kubernetes_are_not() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().args(["check", "-c", "db"]);
    command.env("SHARDLANE_TYPO", "1").env("SHARDLANE_LIMITS_CLIENT_MAX", "5");
    command.env("SHARDLANE_SERVICE_HOST", "10.0.0.1").env("SHARDLANE_ADMIN_PORT", "9380");
    command.env("SHARDLANE_PORT", "tcp://10.0.0.1:9042").env("SHARDLANE_PORT_9042_TCP", "tcp://x");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let printed: Vec<_> = printed.lines().filter(|line| line.starts_with("SHARDLANE_")).collect();
    let expected = [
        "SHARDLANE_ADMIN_PORT is set, but there is no such setting",
        "SHARDLANE_LIMITS_CLIENT_MAX is set, but there is no such setting; did you \
         mean SHARDLANE_LIMITS_CLIENTS_MAX?",
        "SHARDLANE_TYPO is set, but there is no such setting",
    ];
    assert_eq!(printed, expected);
}
