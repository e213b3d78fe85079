//! `shardlane doctor` against simulated clusters in good and bad states: what it finds, and how to
//! mend it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use serde_json::Value;
use shardlane::cli::simulated::demo::client::DemoClient;
use sim::{ClusterOptions, Permission, Roles, SimHandle, SimOptions};

/// A cluster of three nodes with four shards, from 127.0.64.`first` on.
fn cluster(first: u8, change: impl FnOnce(&mut ClusterOptions)) -> SimHandle {
    let mut cluster = ClusterOptions {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 64, first)),
        port: 0,
        shard_aware_port: 0,
        shards: 4,
        ..ClusterOptions::default()
    };
    change(&mut cluster);
    SimHandle::spawn(SimOptions { cluster, api: None, tls: None }).unwrap()
}

fn create(node: SocketAddr, statements: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = DemoClient::connect(node).await.unwrap();
        for statement in statements {
            client.query(statement).await.unwrap();
        }
    });
}

/// What the doctor says: exit code, and stdout with stderr.
fn doctor(points: &str, args: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().envs(environment.iter().copied());
    let output = command.args(["doctor", "-c", points]).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "lacks: {part}\n{said}");
    }
}

fn password(name: &str, text: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("shardlane-doctor-{name}-{}", process::id()));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_sound_cluster_has_nothing_to_mend() {
    let sim = cluster(11, |_| {});
    let node = sim.contact_points()[0];
    create(
        node,
        &[
            "CREATE KEYSPACE t WITH replication = {'class': 'NetworkTopologyStrategy', \
             'datacenter1': 3} AND tablets = {'enabled': true, 'initial': 16}",
            "CREATE KEYSPACE r WITH replication = {'class': 'NetworkTopologyStrategy', \
             'datacenter1': 3} AND tablets = {'enabled': false}",
        ],
    );
    let (code, said) = doctor(&node.to_string(), &[], &[]);
    assert_eq!(code, Some(0), "{said}");
    let address = |last: u8| format!("127.0.64.{last}:{}", node.port());
    for last in 11..=13 {
        says(&said, &[&format!("ok    node       {} answers, 4 of 4 shards", address(last))]);
        says(&said, &[&format!("ok    nat        {}: source ports arrive as", address(last))]);
        says(&said, &[&format!("ok    clock      {}: within ", address(last))]);
    }
    says(
        &said,
        &[
            "ok    contact    127.0.64.11:",
            "answers: cluster 'simulated', data center datacenter1, rack rack1",
            "ok    version    ScyllaDB 2026.3.0, shown to drivers as 3.0.8",
            "ok    protocol   v3, v4 offered, lanes speak v4; compression offered: lz4, snappy; \
             extensions taken: TABLETS_ROUTING_V1, SCYLLA_LWT_ADD_METADATA_MARK",
            "ok    tls        off",
            "ok    login      none, and the cluster asks for none",
            "ok    rights     system.local, system.peers and system_schema can be read",
            "ok    place      data center 'datacenter1' with 3 of the cluster's 3 nodes",
            "ok    tablets    keyspace t: tablets, learned from the nodes' answers",
            "ok    tablets    keyspace r: no tablets, by the ring",
            "ok    schema     all nodes that answer have the same",
            " 0 to improve, 0 to mend\n",
        ],
    );
    let (code, said) = doctor(&node.to_string(), &["--json"], &[]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["well"], true);
    assert!(report["findings"].as_array().unwrap().iter().all(|one| one["level"] == "ok"));
    sim.stop().unwrap();
}

#[test]
fn rewritten_source_ports_are_found_and_three_ways_out_named() {
    let sim = cluster(21, |options| options.nat = true);
    let node = sim.contact_points()[0].to_string();
    let (code, said) = doctor(&node, &[], &[]);
    assert_eq!(code, Some(1), "{said}");
    says(
        &said,
        &[
            "BAD   nat        127.0.64.21:",
            "something on the way rewrites source ports",
            "set lanes.proxy_protocol_port",
            "lanes.shard_aware_port = false",
            "`run` would not work well",
        ],
    );
    let by_trial = [("SHARDLANE_LANES_SHARD_AWARE_PORT", "false")];
    let (code, said) = doctor(&node, &[], &by_trial);
    assert_eq!(code, Some(0), "{said}");
    says(&said, &["4 shards; not dialled one by one, for lanes.shard_aware_port is false"]);
    sim.stop().unwrap();
}

#[test]
fn rewritten_source_ports_do_not_matter_with_proxy_headers() {
    let sim = cluster(25, |options| {
        options.nat = true;
        options.proxy_port = Some(0);
    });
    let node = sim.contact_points()[0].to_string();
    let port = sim.with(|cluster, _| cluster.options.proxy_port).unwrap().unwrap().to_string();
    let set = [("SHARDLANE_LANES_PROXY_PROTOCOL_PORT", port.as_str())];
    let (code, said) = doctor(&node, &[], &set);
    assert_eq!(code, Some(0), "{said}");
    says(&said, &[&format!("4 of 4 shards reached by PROXY header at port {port}")]);
    let plain_port = node.rsplit(':').next().unwrap();
    let wrong = [("SHARDLANE_LANES_PROXY_PROTOCOL_PORT", plain_port)];
    let (code, said) = doctor(&node, &[], &wrong);
    assert_eq!(code, Some(1), "{said}");
    says(
        &said,
        &[
            &format!("shards cannot be dialled by PROXY header at port {plain_port}: "),
            "Invalid or unsupported protocol version: 13",
            "compare it with native_shard_aware_transport_port_proxy_protocol at the node",
        ],
    );
    sim.stop().unwrap();
}

#[test]
fn a_node_that_is_down_is_named_with_its_address() {
    let sim = cluster(31, |_| {});
    let node = sim.contact_points()[0];
    sim.with(|cluster, _| cluster.stop_node(1)).unwrap().unwrap();
    let (code, said) = doctor(&node.to_string(), &[], &[]);
    assert_eq!(code, Some(1), "{said}");
    let port = node.port();
    says(
        &said,
        &[
            &format!("BAD   node       127.0.64.32:{port} cannot be used: cannot connect: "),
            "Connection refused",
            "-> fix     start the node, or give the port where it listens",
            &format!("ok    node       127.0.64.33:{port} answers"),
        ],
    );
    sim.stop().unwrap();
}

#[test]
fn nodes_that_do_not_agree_on_the_schema_are_reported() {
    let lag = std::time::Duration::from_secs(60);
    let sim = cluster(35, |options| options.schema_lag = lag);
    let node = sim.contact_points()[0];
    create(
        node,
        &["CREATE KEYSPACE t WITH replication = {'class': 'NetworkTopologyStrategy', \
           'datacenter1': 3}"],
    );
    let patience = [("SHARDLANE_TIMEOUTS_SCHEMA_AGREEMENT_MS", "300")];
    let (code, said) = doctor(&node.to_string(), &[], &patience);
    assert_eq!(code, Some(1), "{said}");
    says(&said, &["BAD   schema     2 different versions: ", "nodetool describecluster"]);
    sim.stop().unwrap();
}

#[test]
fn a_data_center_or_rack_that_does_not_exist_is_reported_with_those_that_do() {
    let sim = cluster(41, |options| options.data_centers = vec!["east".into(), "west".into()]);
    let node = sim.contact_points()[0];
    create(
        node,
        &["CREATE KEYSPACE far WITH replication = {'class': 'NetworkTopologyStrategy', 'west': 1}"],
    );
    let node = node.to_string();
    let (code, said) = doctor(&node, &["--data-center", "East"], &[]);
    assert_eq!(code, Some(1), "{said}");
    says(
        &said,
        &[
            "BAD   place      no node is in data center 'East'; the cluster has: east, west",
            "-> fix     set data_center to one of: east, west (case counts)",
        ],
    );
    let (code, said) = doctor(&node, &["--data-center", "east", "--rack", "r9"], &[]);
    assert_eq!(code, Some(0), "{said}");
    says(
        &said,
        &[
            "warn  place      no node of 'east' is in rack 'r9'; it has: rack1",
            "warn  tablets    keyspace far has no replica in data center 'east'",
            "data center 'east' with 2 of the cluster's 3 nodes",
        ],
    );
    let (code, said) = doctor(&node, &[], &[]);
    assert_eq!(code, Some(0), "{said}");
    says(&said, &["that answered first, for data_center is not set", "one of: east, west"]);
    sim.stop().unwrap();
}

#[test]
fn a_login_that_fails_is_reported_without_the_password() {
    let user = ("cassandra".to_owned(), "hunter2".to_owned());
    let sim = cluster(51, |options| options.users = vec![user]);
    let node = sim.contact_points()[0].to_string();
    let (code, said) = doctor(&node, &[], &[]);
    assert_eq!(code, Some(0), "clients may log in themselves: {said}");
    says(
        &said,
        &[
            " answers and wants a login (PasswordAuthenticator); clients give their own",
            "-> fix     give doctor a role that may look: --username and --password-file",
        ],
    );
    let (wrong, right) = (password("wrong", "s3cret"), password("right", "hunter2\n"));
    let login = |file: &PathBuf| {
        doctor(&node, &["--username", "cassandra", "--password-file", file.to_str().unwrap()], &[])
    };
    let (code, said) = login(&wrong);
    assert_eq!(code, Some(1), "{said}");
    says(
        &said,
        &[
            "Username and/or password are incorrect",
            "-> fix     correct username, or the password in password_file",
        ],
    );
    assert!(!said.contains("s3cret"), "{said}");
    fs::set_permissions(&right, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = login(&right);
    assert_eq!(code, Some(0), "{said}");
    says(
        &said,
        &[
            "warn  login      password_file = ",
            "all users of the machine may read the password, by mode 0644",
            "-> fix     take that from the file (chmod 0400)",
            "ok    login      as 'cassandra', which the cluster accepts (PasswordAuthenticator)",
            "warn  rights     'cassandra' is a superuser: so is every client of this proxy",
        ],
    );
    assert!(!said.contains("hunter2"), "{said}");
    sim.stop().unwrap();

    let open = cluster(55, |_| {});
    let node = open.contact_points()[0].to_string();
    let file = right.to_str().unwrap();
    let (code, said) = doctor(&node, &["--username", "bob", "--password-file", file], &[]);
    assert_eq!(code, Some(0), "{said}");
    says(&said, &["warn  login      the cluster asks for no login; 'bob' is not needed"]);
    open.stop().unwrap();
    for file in [wrong, right] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_role_that_may_not_read_tablets_is_told_which_right_it_lacks() {
    let sim = cluster(58, |_| {});
    let node = sim.contact_points()[0];
    let keyspace = "CREATE KEYSPACE t WITH replication = {'class': 'NetworkTopologyStrategy', \
                    'datacenter1': 3} AND tablets = {'enabled': true, 'initial': 16}";
    create(node, &[keyspace]);
    sim.with(|cluster, _| {
        cluster.roles = Roles::new(&[("cassandra".to_owned(), "pw".to_owned())]);
        cluster.roles.create("bob", "pw", false);
    })
    .unwrap();
    let file = password("bob", "pw");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let bob = ["--username", "bob", "--password-file", file.to_str().unwrap()];
    let (code, said) = doctor(&node.to_string(), &bob, &[]);
    assert_eq!(code, Some(0), "{said}");
    says(
        &said,
        &[
            "warn  rights     'bob' may not read system.tablets: each tablet costs one misrouted",
            "-> fix     GRANT SELECT ON system.tablets TO bob, or set tablets.prefetch = false",
        ],
    );
    sim.with(|cluster, _| {
        let grant = (Permission::Select, "system".to_owned(), "tablets".to_owned());
        cluster.roles.get_mut("bob").unwrap().grants.insert(grant)
    })
    .unwrap();
    let (_, said) = doctor(&node.to_string(), &bob, &[]);
    says(&said, &["ok    rights     system.tablets can be read: no tablet has to be missed"]);
    fs::remove_file(file).unwrap();
    sim.stop().unwrap();
}

#[test]
fn contact_points_that_lead_nowhere_are_named_one_by_one() {
    let gone = TcpListener::bind("127.0.64.61:0").unwrap();
    let gone_at = gone.local_addr().unwrap().to_string();
    drop(gone);
    let nowhere = format!("{gone_at},name.invalid");
    let (code, said) = doctor(&nowhere, &[], &[]);
    assert_eq!(code, Some(1), "{said}");
    says(
        &said,
        &[
            &format!("BAD   contact    {gone_at}: cannot connect: Connection refused"),
            "-> fix     start the node, or give the port where it listens (native_transport_port",
            "BAD   contact    name.invalid: cannot resolve name.invalid:9042: ",
            "-> fix     correct the name in contact_points, or the DNS of this machine",
        ],
    );
    let sim = cluster(62, |_| {});
    let points = format!("name.invalid,{}", sim.contact_points()[0]);
    let (code, said) = doctor(&points, &[], &[]);
    assert_eq!(code, Some(0), "one that answers is enough: {said}");
    says(&said, &["warn  contact    name.invalid: cannot resolve", "shards reached"]);
    sim.stop().unwrap();
}

#[test]
fn contact_points_of_two_clusters_are_reported() {
    let (one, other) = (cluster(71, |_| {}), cluster(75, |options| options.seed = 2));
    let points = format!("{},{}", one.contact_points()[0], other.contact_points()[0]);
    let (code, said) = doctor(&points, &[], &[]);
    assert_eq!(code, Some(1), "{said}");
    let text = format!(
        "BAD   contact    {} is a node that {} does not know of in its cluster",
        other.contact_points()[0],
        one.contact_points()[0]
    );
    says(&said, &[&text, "-> fix     name nodes of one cluster in contact_points"]);
    one.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn a_port_that_speaks_something_else_is_reported() {
    let other = TcpListener::bind("127.0.64.81:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    // Takes what comes and hangs up, as a server does that waits for TLS.
    let server = std::thread::spawn(move || drop(other.accept().unwrap()));
    let (code, said) = doctor(&address, &[], &[]);
    server.join().unwrap();
    assert_eq!(code, Some(1), "{said}");
    says(&said, &["BAD   contact", "give the plain CQL port (native_transport_port of the node)"]);
}

#[test]
fn run_says_in_its_log_what_to_do_about_a_contact_point() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().env("SHARDLANE_LOG_FORMAT", "json");
    command.args(["run", "-c", "name.invalid", "--bind", "127.0.64.85:0"]);
    command.args(["--admin", "127.0.64.85:0"]).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut report = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let warning = report.find(|line| line["level"] == "WARN");
    server.kill().unwrap();
    server.wait().unwrap();
    let warning = warning.unwrap();
    says(warning["error"].as_str().unwrap(), &["cannot resolve name.invalid:9042"]);
    says(warning["hint"].as_str().unwrap(), &["correct the name in contact_points, or the DNS"]);
}

#[test]
fn wrong_settings_are_code_2() {
    let (code, said) = doctor("10.0.0", &["--workers", "many"], &[]);
    assert_eq!(code, Some(2), "{said}");
    says(&said, &["2 faults in the configuration", "contact_points", "workers"]);
}
