"""TLS on both sides, certificates that are replaced under load, and Unix sockets, with an unmodified driver."""
import contextlib
import os
import socket
import ssl
import stat
import tempfile
import threading
from pathlib import Path

import direct
from cases.through_sim import nothing_misses
from certificates import Authority, context
from stage import ROOT, case, lab, log, program, until

NODES, SHARDS, TABLETS = 3, 4, 64
# How often the proxy looks at its files here.
POLL = {"SHARDLANE_TIMEOUTS_FILE_POLL_MS": "200"}


@contextlib.contextmanager
def environment(values):
    """Variables for the programs that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def folder(stage):
    return Path(stage.enter_context(tempfile.TemporaryDirectory()))


def addresses(stage, nodes=NODES, first=1):
    return ["IP:" + stage.address(first + n) for n in range(nodes)]


def node_flags(ca, pair):
    return ["--tls-ca", ca, "--tls-cert", pair[0], "--tls-key", pair[1]]


def client_flags(pair, ca=None):
    return ["--bind-tls-cert", pair[0], "--bind-tls-key", pair[1], *(["--bind-tls-client-ca", ca] if ca else [])]


def sim_flags(pair, ca=None, *more):
    return ["--tls-cert", pair[0], "--tls-key", pair[1], *(["--tls-client-ca", ca] if ca else []), *more]


def every_shard_has_its_lane(proxy, nodes=NODES, shards=SHARDS):
    def lanes():
        metrics = proxy.metrics()
        opened = [n for name, n in metrics.items() if name.startswith("shardlane_lanes{") and 'state="open"' in name]
        return len(opened) == nodes and min(opened) >= shards and metrics
    metrics = until("a lane to every shard", lanes)
    verdicts = [name for name in metrics if name.startswith("shardlane_shard_aware_port{")]
    assert len(verdicts) == nodes and all('verdict="direct"' in name for name in verdicts), verdicts
    return metrics


def handshakes(proxy, result):
    return proxy.metrics().get('shardlane_client_tls_handshakes_total{result="%s"}' % result, 0)


def refused(host, **session):
    from cassandra.cluster import NoHostAvailable
    try:
        with direct.session(host, **session):
            pass
    except NoHostAvailable as e:
        log("refused:", e)
        return
    raise AssertionError("the driver came in")


@case(deadline=240)
def tls_on_both_sides_reaches_every_shard(stage):
    nodes, clients = (Authority(folder(stage), name) for name in ("nodes", "clients"))
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, *sim_flags(nodes.sign("node", *addresses(stage)), nodes.ca))
    listener = clients.sign("proxy", "IP:" + stage.address(100))
    proxy = stage.proxy(sim.hosts[0], *node_flags(nodes.ca, nodes.sign("proxy")), *client_flags(listener, clients.ca),
                        port=9142)
    trusted = {"ssl_context": context(clients.ca, clients.sign("app"))}
    nothing_misses(stage, sim, proxy, "tablets3", 3, **trusted)
    every_shard_has_its_lane(proxy)

    # Values of many records, written and read while others wait.
    value = os.urandom(2_000_000)
    with direct.session(proxy.host, "tablets3", **trusted) as s:
        s.execute("CREATE TABLE big (k int PRIMARY KEY, v blob)")
        write, read = s.prepare("INSERT INTO big (k, v) VALUES (?, ?)"), s.prepare("SELECT v FROM big WHERE k = ?")
        for future in [s.execute_async(write, (k, value)) for k in range(8)]:
            future.result()
        for future in [s.execute_async(read, (k,)) for k in range(8)]:
            assert future.result().one().v == value, "a large value is not what was written"

    refused(proxy.host, ssl_context=context(clients.ca))
    refused(proxy.host, ssl_context=context(clients.ca, nodes.sign("stranger")))
    until("strangers are counted", lambda: handshakes(proxy, "failed") >= 2)
    refused(proxy.host)
    until("plain CQL is counted", lambda: handshakes(proxy, "plain_cql") >= 1)


@case(deadline=120)
def nodes_that_speak_tls_at_their_usual_ports_are_reached(stage):
    """SUPPORTED then names one shard-aware port and not that it is for TLS."""
    nodes = Authority(folder(stage), "nodes")
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, *sim_flags(nodes.sign("node", "DNS:db.example.com"), None, "--tls-only"))
    proxy = stage.proxy(sim.hosts[0], "--tls-ca", nodes.ca, "--tls-server-name", "db.example.com")
    every_shard_has_its_lane(proxy)
    with direct.session(proxy.host) as s:
        assert s.execute("SELECT cluster_name FROM system.local").one()
    proxy.child.stop(20)
    loose = stage.proxy(sim.hosts[0], "--tls-ca", nodes.ca, "--tls-verify-name", "false", last=101)
    every_shard_has_its_lane(loose)
    assert "any certificate that the CA signed is accepted as a node" in loose.child.last_errors() + loose.child.error_path.read_text()


@case(deadline=120)
def faults_of_tls_are_reported_with_address_and_hint(stage):
    nodes, stranger = (Authority(folder(stage), name) for name in ("nodes", "strangers"))
    sim = stage.sim(1, 2, 8, 1, *sim_flags(nodes.sign("node", *addresses(stage, 1)), nodes.ca))
    host, own = sim.hosts[0], nodes.sign("proxy")
    told = [
        (9142, [], ["%s:9142" % host, "expects TLS", "set tls.ca"]),
        (9042, node_flags(nodes.ca, own), ["%s:9042" % host, "speaks plain CQL", "9142"]),
        (9142, node_flags(stranger.ca, own), ["%s:9142" % host, "no CA in tls.ca signed"]),
        (9142, ["--tls-ca", nodes.ca], ["%s:9142" % host, "asks for a certificate", "set tls.cert and tls.key"]),
        (9142, [*node_flags(nodes.ca, own), "--tls-server-name", "else.where"],
         ["%s:9142" % host, "else.where", "tls.verify_name"]),
    ]
    for number, (port, flags, words) in enumerate(told):
        address = stage.address(110 + number)
        child = stage.start([program(), "run", "-c", host, "--port", port, "--bind", address + ":9042", "--admin",
                             address + ":9380", *flags], "proxy-%d" % number)
        until("%s reported" % words, lambda: all(word in child.error_path.read_text() for word in words), 20)
        child.stop()


class Mounted:
    """A folder as Kubernetes mounts a secret: links through ..data, which is turned at once."""

    def __init__(self, where):
        self.where, self.number = where, 0

    def put(self, **files):
        version = self.where / ("v%d" % self.number)
        version.mkdir()
        self.number += 1
        for name, path in files.items():
            (version / name).write_bytes(b"".join(Path(p).read_bytes() for p in (path if isinstance(path, list) else [path])))
            link = self.where / name
            if not link.is_symlink():
                link.symlink_to(Path("..data", name))
        turned = self.where / "..next"
        turned.symlink_to(version.name)
        turned.rename(self.where / "..data")

    def __getattr__(self, name):
        return self.where / name


def issuer(host, trusted):
    """Who signed what the listener shows to a new connection."""
    with socket.create_connection((host, 9042), 10) as plain, trusted.wrap_socket(plain) as s:
        return dict(pair[0] for pair in s.getpeercert()["issuer"])["commonName"]


def reloads(proxy, side, result="loaded"):
    return proxy.metrics()['shardlane_tls_reloads_total{side="%s",result="%s"}' % (side, result)]


@case(deadline=180)
def certificates_are_replaced_under_load(stage):
    """CA, certificates and keys of both sides; no client notices, but new connections have the new ones."""
    old, new = (Authority(folder(stage), name) for name in ("old", "new"))
    at_nodes, at_proxy = Mounted(folder(stage)), Mounted(folder(stage))
    names = [*addresses(stage), "IP:" + stage.address(100)]

    def put(cas, authority, name):
        cert, key = authority.sign(name, *names)
        for mounted in (at_nodes, at_proxy):
            mounted.put(ca=cas, cert=cert, key=key)
    put([old.ca], old, "first")
    sim = stage.sim(NODES, 2, TABLETS, 1, *sim_flags((at_nodes.cert, at_nodes.key), at_nodes.ca))
    pair = (at_proxy.cert, at_proxy.key)
    with environment(POLL):
        proxy = stage.proxy(sim.hosts[0], *node_flags(at_proxy.ca, pair), *client_flags(pair, at_proxy.ca), port=9142)
    both = folder(stage) / "both.crt"
    both.write_bytes(old.ca.read_bytes() + new.ca.read_bytes())
    as_old, as_new = context(both, old.sign("app")), context(both, new.sign("app"))
    failures, done, stop = [], [], threading.Event()

    def load(worker):
        try:
            with direct.session(proxy.host, "load", ssl_context=as_old) as s:
                write = s.prepare("INSERT INTO ints (k, v) VALUES (?, ?)")
                read = s.prepare("SELECT v FROM ints WHERE k = ?")
                while not stop.is_set():
                    s.execute(write, (worker, len(done)))
                    s.execute(read, (worker,))
                    done.append(worker)
        except Exception as e:  # whatever an application would see
            failures.append(repr(e))

    with direct.session(proxy.host, ssl_context=as_old) as s:
        direct.create_load_tables(s, "load", 3)
    threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    try:
        until("the load runs", lambda: len(done) > 100 or failures)
        assert issuer(proxy.host, as_old) == "old"
        # First everybody trusts both, then the new certificates come, then the old CA goes.
        for cas, authority, name in (([old.ca, new.ca], old, "second"), ([old.ca, new.ca], new, "third"), ([new.ca], new, "fourth")):
            before = reloads(proxy, "clients"), reloads(proxy, "nodes")
            put(cas, authority, name)
            until("%s is in use" % name, lambda: reloads(proxy, "clients") > before[0] and reloads(proxy, "nodes") > before[1])
            count = len(done)
            until("the load goes on", lambda: len(done) > count + 50 or failures)
        assert issuer(proxy.host, as_new) == "new", "a new connection has the old certificate"
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
    assert not failures, failures
    refused(proxy.host, ssl_context=as_old)

    # A torn pair changes nothing, and is reported.
    torn = new.sign("torn", *names)
    at_proxy.put(ca=new.ca, cert=torn[0], key=old.sign("other")[1])
    until("the torn pair is counted", lambda: reloads(proxy, "clients", "failed") == 1)
    assert "is not the key of the certificate" in proxy.child.error_path.read_text()
    with direct.session(proxy.host, "load", ssl_context=as_new) as s:
        assert s.execute("SELECT k FROM ints").all()

    # New lanes trust the new CA alone, and are let in by the certificate that it signed.
    sim.post("/sim/nodes/1/stop")
    until("lanes are gone", lambda: proxy.metrics()['shardlane_lanes{node="%s",state="open"}' % sim.hosts[1]] == 0)
    sim.post("/sim/nodes/1/start")
    every_shard_has_its_lane(proxy, NODES, 2)


@case(deadline=120)
def a_unix_socket_serves_drivers_beside_tcp(stage):
    from cassandra.connection import UnixSocketEndPoint
    sim = stage.sim(2, 2, 16)
    path = folder(stage) / "cql.sock"
    # What a process that was killed leaves behind.
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    proxy = stage.proxy(sim.hosts[0], "--bind", "unix:%s" % path, "--bind-mode", "0600")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with direct.session(UnixSocketEndPoint(str(path))) as s, direct.session(proxy.host) as by_tcp:
        direct.create_load_tables(s, "unix", 2)
        write, read = s.prepare("INSERT INTO unix.ints (k, v) VALUES (?, ?)"), by_tcp.prepare("SELECT v FROM unix.ints WHERE k = ?")
        for future in [s.execute_async(write, (k, k)) for k in range(500)]:
            future.result()
        assert [by_tcp.execute(read, (k,)).one().v for k in range(500)] == list(range(500))
    proxy.child.stop(20)
    assert not path.exists(), "the Unix socket's file is still there"


@case(deadline=420)
def mutual_tls_to_real_cassandra(stage):
    """A node of its own: the one that other cases share speaks no TLS."""
    name, host = "tls-" + stage.net.replace(".", "-"), stage.address(1)
    jmx = 7600 + int(stage.net.split(".")[1])
    lab("install", name=name)
    stage.callback(lab, "clean", name=name)
    lab("start", 1, "--fresh", "--ip-base", host, "--tls", "mutual", "--jmx-port", jmx, name=name)
    run = ROOT / "target/cassandra/run" / name / "tls"
    files = node_flags(run / "ca.pem", (run / "client.crt", run / "client.key"))
    proxy = stage.proxy(host, *files)
    with direct.session(proxy.host, consistency="ONE") as s:
        direct.create_load_tables(s, "tls", 1)
        write, read = s.prepare("INSERT INTO tls.ints (k, v) VALUES (?, ?)"), s.prepare("SELECT v FROM tls.ints WHERE k = ?")
        for k in range(100):
            s.execute(write, (k, -k))
            assert s.execute(read, (k,)).one().v == -k
    bare = stage.start([program(), "run", "-c", host, "--bind", stage.address(120) + ":9042", "--admin",
                        stage.address(120) + ":9380", "--tls-ca", run / "ca.pem"], "bare")
    words = ["%s:9042" % host, "set tls.cert and tls.key"]
    until("%s reported" % words, lambda: all(word in bare.error_path.read_text() for word in words), 20)
