#!/usr/bin/env python3
"""Runs a real Apache Cassandra cluster on loopback, straight from its published jars.

No container and no tarball: Maven resolves `org.apache.cassandra:cassandra-all` into a cache
folder, each node gets a small cassandra.yaml, and runs as a plain `java` process on its own
loopback address.

  lab.py start 3                     three nodes on 127.0.0.1, .2, .3
  lab.py start 3 --dcs dc1,dc1,dc2   the same, in two data centres
  lab.py start 1 --auth              PasswordAuthenticator (cassandra/cassandra)
  lab.py start 1 --tls on            client TLS on the native port (certificates in <run>/tls)
  lab.py start 1 --tls optional      TLS and plain text on the same port
  lab.py start 1 --tls mutual        TLS, client certificate required
  lab.py start 1 --version 4.1.10    another server version
  lab.py status                      state, memory and ring view of every node
  lab.py stop [NODE]                 SIGTERM (all nodes, or one); start-node NODE brings it back
  lab.py kill NODE                   SIGKILL one node (crash)
  lab.py pause NODE / resume NODE    SIGSTOP / SIGCONT one node (hang)
  lab.py cql "SELECT ..."            run one statement, print the rows
  lab.py nodetool NODE ARGS...       run nodetool against a node
  lab.py clean                       stop, then delete the data

Several clusters can live side by side: give each its own --name, --ip-base and --jmx-port; the
other verbs then need only --name. `start` on a stopped cluster of the same shape reuses its data;
`--fresh` deletes the data first.

Needs Python 3.8, `mvn`, a JDK 11 or 17 (17 preferred), and `openssl` for TLS; `install` fetches
what is missing with apt. Loopback only.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_VERSION = "5.0.9"
USER, PASSWORD = "cassandra", "cassandra"
STORE_PASSWORD = "cassandra-lab"

# What conf/jvm17-server.options of Cassandra 5.0 passes, plus what 4.0/4.1 (officially 8/11 only)
# need to run on 17. Unknown module/package pairs only print a warning.
MODULE_FLAGS = """
--add-exports java.base/jdk.internal.misc=ALL-UNNAMED
--add-exports java.base/jdk.internal.ref=ALL-UNNAMED
--add-exports java.base/java.lang.ref=ALL-UNNAMED
--add-exports java.base/sun.nio.ch=ALL-UNNAMED
--add-exports java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED
--add-exports java.rmi/sun.rmi.registry=ALL-UNNAMED
--add-exports java.rmi/sun.rmi.server=ALL-UNNAMED
--add-exports java.rmi/sun.rmi.transport=ALL-UNNAMED
--add-exports java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED
--add-exports java.sql/java.sql=ALL-UNNAMED
--add-exports jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED
--add-exports jdk.unsupported/sun.misc=ALL-UNNAMED
--add-opens java.base/java.io=ALL-UNNAMED
--add-opens java.base/java.lang=ALL-UNNAMED
--add-opens java.base/java.lang.module=ALL-UNNAMED
--add-opens java.base/java.lang.reflect=ALL-UNNAMED
--add-opens java.base/java.math=ALL-UNNAMED
--add-opens java.base/java.net=ALL-UNNAMED
--add-opens java.base/java.nio=ALL-UNNAMED
--add-opens java.base/java.nio.charset=ALL-UNNAMED
--add-opens java.base/java.time=ALL-UNNAMED
--add-opens java.base/java.util=ALL-UNNAMED
--add-opens java.base/java.util.concurrent=ALL-UNNAMED
--add-opens java.base/java.util.concurrent.atomic=ALL-UNNAMED
--add-opens java.base/java.util.concurrent.locks=ALL-UNNAMED
--add-opens java.base/jdk.internal.loader=ALL-UNNAMED
--add-opens java.base/jdk.internal.math=ALL-UNNAMED
--add-opens java.base/jdk.internal.module=ALL-UNNAMED
--add-opens java.base/jdk.internal.ref=ALL-UNNAMED
--add-opens java.base/jdk.internal.reflect=ALL-UNNAMED
--add-opens java.base/jdk.internal.util.jar=ALL-UNNAMED
--add-opens java.base/sun.nio.ch=ALL-UNNAMED
--add-opens java.management/javax.management=ALL-UNNAMED
--add-opens java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED
--add-opens java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED
--add-opens jdk.management/com.sun.management.internal=ALL-UNNAMED
""".split()


def say(text):
    print(text, flush=True)


def die(text):
    sys.exit("lab: " + text)


# ---------------------------------------------------------------- jars and JDK

def install(_args=None):
    """Fetches with apt what is missing: Maven, a JDK that Cassandra runs on, openssl."""
    wanted = []
    if not shutil.which("mvn"):
        wanted.append("maven")
    if not {11, 17} & set(java_homes()):
        wanted.append("openjdk-17-jdk-headless")
    if not shutil.which("openssl"):
        wanted.append("openssl")
    if not wanted:
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    say("installing " + " ".join(wanted))
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *wanted]):
        subprocess.run([*root, "apt-get", *words], check=True, env=env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)


def java_homes():
    """Major version to home, of every JDK on this machine."""
    found = {}
    candidates = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    candidates += sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    for home in candidates:
        if not (home / "bin/java").exists():
            continue
        out = subprocess.run([str(home / "bin/java"), "-version"], capture_output=True, text=True).stderr
        m = re.search(r'version "(\d+)(?:\.(\d+))?', out)
        if m:
            major = int(m.group(2)) if m.group(1) == "1" else int(m.group(1))
            found.setdefault(major, home)
    return found


def find_java(java_home):
    """JAVA_HOME to run under: the one asked for, else a 17 or 11 on this machine."""
    if java_home:
        return Path(java_home)
    found = java_homes()
    for major in (17, 11):
        if major in found:
            return found[major]
    die("no JDK 17 or 11 found (have: %s); run `lab.py install`, or pass --java-home" % sorted(found))


def resolve_jars(cache, version):
    """Directory holding cassandra-all:<version> and its runtime dependencies."""
    target = cache / version
    lib = target / "lib"
    if (target / "complete").exists():
        return lib
    target.mkdir(parents=True, exist_ok=True)
    pom = target / "pom.xml"
    pom.write_text(
        '<project><modelVersion>4.0.0</modelVersion>\n'
        "<groupId>lab</groupId><artifactId>cassandra-lab</artifactId><version>1</version>"
        "<packaging>pom</packaging>\n<dependencies><dependency><groupId>org.apache.cassandra</groupId>"
        "<artifactId>cassandra-all</artifactId><version>%s</version></dependency></dependencies>\n"
        "</project>\n" % version)
    say("resolving cassandra-all %s with mvn into %s" % (version, lib))
    subprocess.run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
                    "-DincludeScope=runtime", "-DoutputDirectory=" + str(lib)], check=True)
    (target / "complete").touch()
    return lib


# ---------------------------------------------------------------- TLS material

def make_tls(directory, java_home, addresses):
    """A CA, one server key store for all nodes, one client key; PEM copies of each."""
    if (directory / "complete").exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    keytool = str(java_home / "bin/keytool")

    def kt(*args):
        subprocess.run([keytool, *args, "-storepass", STORE_PASSWORD], cwd=directory, check=True,
                       capture_output=True)

    names = "san=" + ",".join(["dns:localhost"] + ["ip:" + a for a in addresses])
    common = ["-keyalg", "RSA", "-keysize", "2048", "-validity", "3650", "-storetype", "PKCS12"]
    kt("-genkeypair", "-alias", "ca", "-dname", "CN=lab CA", "-ext", "bc:c", *common,
       "-keystore", "ca.p12")
    kt("-exportcert", "-rfc", "-alias", "ca", "-keystore", "ca.p12", "-file", "ca.pem")
    for who, ext in (("server", [names, "eku=serverAuth"]), ("client", ["eku=clientAuth"])):
        store = who + ".p12"
        kt("-genkeypair", "-alias", who, "-dname", "CN=lab " + who, *common, "-keystore", store)
        kt("-certreq", "-alias", who, "-keystore", store, "-file", who + ".csr")
        kt("-gencert", "-rfc", "-alias", "ca", "-keystore", "ca.p12", "-validity", "3650",
           *[x for e in ext for x in ("-ext", e)], "-infile", who + ".csr", "-outfile", who + ".crt")
        kt("-importcert", "-noprompt", "-alias", "ca", "-keystore", store, "-file", "ca.pem")
        kt("-importcert", "-noprompt", "-alias", who, "-keystore", store, "-file", who + ".crt")
        pem = subprocess.run(["openssl", "pkcs12", "-in", store, "-nodes", "-nocerts", "-passin",
                              "pass:" + STORE_PASSWORD], cwd=directory, check=True, capture_output=True).stdout
        subprocess.run(["openssl", "pkey", "-out", who + ".key"], input=pem, cwd=directory, check=True,
                       capture_output=True)
        (directory / (who + ".csr")).unlink()
    kt("-importcert", "-noprompt", "-alias", "ca", "-storetype", "PKCS12", "-keystore", "truststore.p12",
       "-file", "ca.pem")
    (directory / "complete").touch()


# ---------------------------------------------------------------- node configuration

def tokens_for(count, num_tokens, seed):
    """A reproducible vnode ring: num_tokens random, distinct Murmur3 tokens for each node."""
    rng = random.Random(seed)
    every = rng.sample(range(-2**63 + 1, 2**63 - 1, 2**20), count * num_tokens)
    return [sorted(every[i::count]) for i in range(count)]


def write_config(c, node):
    """conf/ of one node: cassandra.yaml, cassandra-rackdc.properties, logback.xml, logback-tools.xml."""
    run = Path(c["run"])
    home = run / node["name"]
    conf = home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    old = c["version"].startswith(("3.", "4.0."))   # before the 4.1 renaming of units
    auth = ("PasswordAuthenticator", "CassandraAuthorizer") if c["auth"] else \
           ("AllowAllAuthenticator", "AllowAllAuthorizer")
    y = {
        "cluster_name": "lab-" + c["name"],
        "num_tokens": c["num_tokens"],
        "initial_token": ",".join(map(str, node["tokens"])),
        "auto_bootstrap": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "seed_provider": [{"class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                           "parameters": [{"seeds": c["nodes"][0]["ip"]}]}],
        "listen_address": node["ip"],
        "rpc_address": node["ip"],
        "storage_port": c["storage_port"],
        "start_native_transport": True,
        "native_transport_port": c["port"],
        "authenticator": auth[0],
        "authorizer": auth[1],
        "role_manager": "CassandraRoleManager",
        "data_file_directories": [str(home / "data")],
        "commitlog_directory": str(home / "commitlog"),
        "saved_caches_directory": str(home / "saved_caches"),
        "hints_directory": str(home / "hints"),
        "cdc_raw_directory": str(home / "cdc_raw"),
        "disk_failure_policy": "stop",
        "commit_failure_policy": "stop",
        "commitlog_sync": "periodic",
        ("commitlog_sync_period_in_ms" if old else "commitlog_sync_period"): 10000 if old else "10s",
        "memtable_allocation_type": "heap_buffers",
        "concurrent_reads": 8, "concurrent_writes": 8, "concurrent_counter_writes": 8,
        "concurrent_compactors": 1,
        ("file_cache_size_in_mb" if old else "file_cache_size"): 32 if old else "32MiB",
        ("key_cache_size_in_mb" if old else "key_cache_size"): 8 if old else "8MiB",
        ("counter_cache_size_in_mb" if old else "counter_cache_size"): 0 if old else "0MiB",
        ("enable_materialized_views" if old else "materialized_views_enabled"): True,
        ("enable_user_defined_functions" if old else "user_defined_functions_enabled"): True,
    }
    if c["tls"] != "off":
        tls = run / "tls"
        y["client_encryption_options"] = {
            "enabled": True, "optional": c["tls"] == "optional",
            "keystore": str(tls / "server.p12"), "keystore_password": STORE_PASSWORD,
            "truststore": str(tls / "truststore.p12"), "truststore_password": STORE_PASSWORD,
            "store_type": "PKCS12", "require_client_auth": c["tls"] == "mutual"}
    y.update(c["yaml"])
    # JSON is YAML: one setting a line, values in JSON.
    (conf / "cassandra.yaml").write_text("".join("%s: %s\n" % (k, json.dumps(v)) for k, v in y.items()))
    (conf / "cassandra-rackdc.properties").write_text("dc=%s\nrack=%s\n" % (node["dc"], node["rack"]))
    (conf / "logback.xml").write_text("""<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>%s</file>
    <encoder><pattern>%%-5level [%%thread] %%date{ISO8601} %%F:%%L - %%msg%%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
""" % (home / "system.log"))
    (conf / "logback-tools.xml").write_text('<configuration><root level="OFF"/></configuration>\n')


def java_command(c, node):
    home = Path(c["run"]) / node["name"]
    lib = Path(c["lib"])
    cmd = [str(Path(c["java_home"]) / "bin/java"), "-Xms96m", "-Xmx" + c["heap"], "-Xss512k"]
    cmd += ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=%d" % (4 if c["c2"] else 1), "-XX:-UsePerfData",
            "-XX:MaxDirectMemorySize=" + c["direct"], "-XX:ActiveProcessorCount=2", "-Xshare:auto",
            "-XX:+HeapDumpOnOutOfMemoryError", "-XX:HeapDumpPath=" + str(home), "-XX:+ExitOnOutOfMemoryError",
            "-ea", "-Djdk.attach.allowAttachSelf=true", "-Djava.net.preferIPv4Stack=true",
            "-Dfile.encoding=UTF-8", "-Djna.nosys=true", "-Dio.netty.tryReflectionSetAccessible=true"]
    cmd += ["-Djava.io.tmpdir=" + str(home / "tmp"), "-Djna.tmpdir=" + str(home / "tmp")]
    cmd += MODULE_FLAGS
    jamm = sorted(lib.glob("jamm-*.jar"))
    if jamm:
        cmd.append("-javaagent:" + str(jamm[0]))
    cmd += ["-Dlogback.configurationFile=logback.xml",
            "-Dcassandra.config=file://" + str(home / "conf/cassandra.yaml"),
            "-Dcassandra.storagedir=" + str(home), "-Dcassandra.logdir=" + str(home),
            "-Dcassandra.jmx.local.port=%d" % node["jmx"], "-Dcassandra-foreground=yes",
            # start-up delays that make sense in production only
            "-Dcassandra.ring_delay_ms=%d" % c["ring_delay_ms"],
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.superuser_setup_delay_ms=0",
            "-Dcassandra.consistent.rangemovement=false",
            "-Dcassandra.allow_unsafe_join=true"]
    cmd += c["jvm"]
    cmd += ["-cp", str(home / "conf") + os.pathsep + str(lib / "*"),
            "org.apache.cassandra.service.CassandraDaemon"]
    return cmd


# ---------------------------------------------------------------- processes

def process_of(c, node):
    """The pid of this node's JVM when it runs (checked against its command line), else None."""
    try:
        pid = int((Path(c["run"]) / node["name"] / "pid").read_text())
        line = Path("/proc/%d/cmdline" % pid).read_bytes()
        stat = Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, ValueError):
        return None
    mine = ("-Dcassandra.storagedir=" + str(Path(c["run"]) / node["name"])).encode()
    return pid if mine in line.split(b"\0") and stat != "Z" else None


def rss_mib(pid):
    m = re.search(r"VmRSS:\s+(\d+)", Path("/proc/%d/status" % pid).read_text())
    return int(m.group(1)) // 1024 if m else 0


def spawn(c, node):
    if process_of(c, node):
        return
    for ip, port in ((node["ip"], c["port"]), (node["ip"], c["storage_port"]), ("127.0.0.1", node["jmx"])):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except OSError as e:
                die("%s:%d is taken (%s); use another --ip-base, --port, --storage-port or --jmx-port" % (ip, port, e.strerror))
    home = Path(c["run"]) / node["name"]
    write_config(c, node)
    (home / "tmp").mkdir(exist_ok=True)
    with open(home / "console.log", "ab") as out:
        p = subprocess.Popen(java_command(c, node), cwd=home, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT, start_new_session=True)
    (home / "pid").write_text(str(p.pid))
    node["_proc"] = p


def end(c, node, sig=signal.SIGTERM, patience=40):
    pid = process_of(c, node)
    if not pid:
        return False
    os.kill(pid, sig)
    if sig == signal.SIGTERM:
        os.kill(pid, signal.SIGCONT)
    deadline = time.time() + patience
    while process_of(c, node) and time.time() < deadline:
        time.sleep(0.2)
    if process_of(c, node):
        os.kill(pid, signal.SIGKILL)
        while process_of(c, node):
            time.sleep(0.1)
    return True


# ---------------------------------------------------------------- a very small CQL client (protocol v4)

class CqlError(Exception):
    pass


class Cql:
    def __init__(self, c, ip, timeout=10):
        self.sock = socket.create_connection((ip, c["port"]), timeout)
        if c["tls"] in ("on", "mutual"):
            tls = Path(c["run"]) / "tls"
            ctx = ssl.create_default_context(cafile=str(tls / "ca.pem"))
            if c["tls"] == "mutual":
                ctx.load_cert_chain(str(tls / "client.crt"), str(tls / "client.key"))
            self.sock = ctx.wrap_socket(self.sock, server_hostname=ip)
        body = struct.pack(">H", 1) + self.string("CQL_VERSION") + self.string("3.0.0")
        op, data = self.call(0x01, body)
        if op == 0x03:
            token = b"\0" + USER.encode() + b"\0" + PASSWORD.encode()
            op, data = self.call(0x0F, struct.pack(">i", len(token)) + token)

    @staticmethod
    def string(s):
        return struct.pack(">H", len(s.encode())) + s.encode()

    def exactly(self, n):
        out = b""
        while len(out) < n:
            more = self.sock.recv(n - len(out))
            if not more:
                raise CqlError("connection closed")
            out += more
        return out

    def call(self, opcode, body):
        self.sock.sendall(struct.pack(">BBhBI", 4, 0, 0, opcode, len(body)) + body)
        _, flags, _, op, length = struct.unpack(">BBhBI", self.exactly(9))
        data = self.exactly(length)
        if flags & 0x08:                                  # warnings come before the body
            n, pos = struct.unpack(">H", data[:2])[0], 2
            for _ in range(n):
                pos += 2 + struct.unpack(">H", data[pos:pos + 2])[0]
            data = data[pos:]
        if op == 0x00:
            code, length = struct.unpack(">iH", data[:6])
            raise CqlError("0x%04x %s" % (code, data[6:6 + length].decode()))
        return op, data

    def query(self, text, consistency=1):
        """Rows as lists of raw cells (None for null), after the list of (column, type id)."""
        q = text.encode()
        _, data = self.call(0x07, struct.pack(">I", len(q)) + q + struct.pack(">HB", consistency, 0))
        if struct.unpack(">i", data[:4])[0] != 2:
            return [], []
        self.data, self.pos = data, 4
        flags, count = self.num(">i"), self.num(">i")
        if flags & 2:
            self.pos += 4 + struct.unpack(">i", data[self.pos:self.pos + 4])[0]
        if flags & 1:
            self.text(), self.text()
        columns = []
        for _ in range(count):
            if not flags & 1:
                self.text(), self.text()
            columns.append((self.text(), self.option()))
        rows = [[self.cell() for _ in columns] for _ in range(self.num(">i"))]
        return columns, rows

    def num(self, fmt):
        n = struct.calcsize(fmt)
        self.pos += n
        return struct.unpack(fmt, self.data[self.pos - n:self.pos])[0]

    def text(self):
        n = self.num(">H")
        self.pos += n
        return self.data[self.pos - n:self.pos].decode()

    def cell(self):
        n = self.num(">i")
        if n < 0:
            return None
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def option(self):
        kind = self.num(">H")
        if kind == 0:
            self.text()
        elif kind in (0x20, 0x22):
            self.option()
        elif kind == 0x21:
            self.option(), self.option()
        elif kind == 0x30:
            self.text(), self.text()
            for _ in range(self.num(">H")):
                self.text(), self.option()
        elif kind == 0x31:
            for _ in range(self.num(">H")):
                self.option()
        return kind


def show(cell, kind):
    if cell is None:
        return "null"
    if kind in (0x01, 0x0A, 0x0D):
        return cell.decode()
    if kind in (0x02, 0x05, 0x09, 0x0B, 0x12, 0x13, 0x14):
        return str(int.from_bytes(cell, "big", signed=True))
    if kind == 0x04:
        return str(cell != b"\0")
    if kind == 0x10:
        return socket.inet_ntop(socket.AF_INET if len(cell) == 4 else socket.AF_INET6, cell)
    return "0x" + cell.hex()


def peers_seen(c, node):
    """How many nodes this node knows over CQL, itself included; raises when it does not answer."""
    q = Cql(c, node["ip"])
    try:
        return 1 + len(q.query("SELECT peer FROM system.peers")[1])
    finally:
        q.sock.close()


# ---------------------------------------------------------------- verbs

def state_file(args):
    return Path(args.run_dir) / args.name / "cluster.json"


def load(args):
    path = state_file(args)
    if not path.exists():
        die("no cluster %r under %s" % (args.name, args.run_dir))
    return json.loads(path.read_text())


def pick(c, number):
    if not 1 <= number <= len(c["nodes"]):
        die("there is no node %d" % number)
    return c["nodes"][number - 1]


def wait_ready(c, nodes, patience, want):
    """Until each of `nodes` answers CQL and (all of them) sees `want` nodes; prints what it took."""
    begin, waiting = time.time(), list(nodes)
    while waiting:
        for node in list(waiting):
            proc = node.get("_proc")
            if (proc.poll() is not None) if proc else not process_of(c, node):
                home = Path(c["run"]) / node["name"]
                tail = (home / "console.log").read_text(errors="replace")[-3000:]
                die("%s ended during start-up; see %s\n%s" % (node["name"], home / "system.log", tail))
            try:
                seen = peers_seen(c, node)
            except (OSError, CqlError):
                continue
            if seen >= want:
                waiting.remove(node)
                pid = process_of(c, node)
                say("  %s  %s:%d  pid %d  sees %d node(s) after %.1f s, RSS %d MiB" % (
                    node["name"], node["ip"], c["port"], pid, seen, time.time() - begin, rss_mib(pid)))
        if waiting and time.time() - begin > patience:
            die("not ready after %d s: %s" % (patience, ", ".join(n["name"] for n in waiting)))
        if waiting:
            time.sleep(0.5)


def start(args):
    run = Path(args.run_dir).resolve() / args.name
    previous = json.loads((run / "cluster.json").read_text()) if (run / "cluster.json").exists() else None
    if previous and any(process_of(previous, n) for n in previous["nodes"]):
        die("cluster %r is running already; stop it first" % args.name)
    head, last = args.ip_base.rsplit(".", 1)
    if not head.startswith("127."):
        die("--ip-base has to be a loopback address")
    dcs = args.dcs.split(",") if args.dcs else ["dc1"]
    racks = args.racks.split(",") if args.racks else ["rack1"]
    java_home = find_java(args.java_home)
    tokens = tokens_for(args.nodes, args.num_tokens, args.token_seed)
    c = {
        "name": args.name, "run": str(run), "version": args.version, "port": args.port,
        "storage_port": args.storage_port, "num_tokens": args.num_tokens, "auth": args.auth, "tls": args.tls,
        "heap": args.heap, "direct": args.direct, "c2": args.c2, "jvm": args.jvm, "java_home": str(java_home),
        "ring_delay_ms": 1000 if args.nodes == 1 else 5000,
        "yaml": dict((k, json.loads(v) if v[:1] in '{["' or v in ("true", "false") or v.isdigit() else v)
                     for k, v in (item.split("=", 1) for item in args.set)),
        "nodes": [{"name": "node%d" % (i + 1), "ip": "%s.%d" % (head, int(last) + i),
                   "dc": dcs[i % len(dcs)] if len(dcs) < args.nodes else dcs[i],
                   "rack": racks[i % len(racks)], "jmx": args.jmx_port + i, "tokens": tokens[i]}
                  for i in range(args.nodes)],
    }
    shape = lambda x: (x["version"], x["auth"], x["num_tokens"], [(n["ip"], n["dc"], n["tokens"]) for n in x["nodes"]])
    if previous and (args.fresh or shape(previous) != shape(c)):
        for n in previous["nodes"]:
            shutil.rmtree(run / n["name"], ignore_errors=True)
        shutil.rmtree(run / "tls", ignore_errors=True)
    c["lib"] = str(resolve_jars(Path(args.cache).resolve(), args.version))
    run.mkdir(parents=True, exist_ok=True)
    if c["tls"] != "off":
        make_tls(run / "tls", java_home, [n["ip"] for n in c["nodes"]])
    (run / "cluster.json").write_text(json.dumps(c, indent=1))
    say("starting Cassandra %s, %d node(s), heap %s, %s" % (args.version, args.nodes, args.heap, java_home))
    begin = time.time()
    # One after the other: the next one needs a live seed, and two cores start one JVM at a time best.
    for i, node in enumerate(c["nodes"]):
        spawn(c, node)
        wait_ready(c, [node], args.patience, i + 1)
    if args.nodes > 1:
        wait_ready(c, c["nodes"], args.patience, len(c["nodes"]))
    if c["auth"]:
        wait_login(c, args.patience)
    say("up: %s  (%.1f s)" % (" ".join("%s:%d" % (n["ip"], c["port"]) for n in c["nodes"]), time.time() - begin))


def wait_login(c, patience):
    """The default superuser is created a moment after the port opens; readable from every node at ONE."""
    deadline = time.time() + patience
    if len(c["nodes"]) > 1:
        q = Cql(c, c["nodes"][0]["ip"])
        dcs = sorted({n["dc"] for n in c["nodes"]})
        per = ", ".join("'%s': %d" % (d, sum(n["dc"] == d for n in c["nodes"])) for d in dcs)
        q.query("ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', %s}" % per)
        q.sock.close()
        for n in c["nodes"]:
            nodetool(c, n, ["repair", "-full", "system_auth"], quiet=True)
    for node in c["nodes"]:
        while True:
            try:
                Cql(c, node["ip"]).sock.close()
                break
            except (OSError, CqlError):
                if time.time() > deadline:
                    die("%s does not let %s log in" % (node["name"], USER))
                time.sleep(0.5)


def nodetool(c, node, words, quiet=False):
    cmd = [str(Path(c["java_home"]) / "bin/java"), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
           *MODULE_FLAGS, "-Dlogback.configurationFile=logback-tools.xml",
           "-Dcassandra.config=file://" + str(Path(c["run"]) / node["name"] / "conf/cassandra.yaml"),
           "-Dcassandra.storagedir=" + str(Path(c["run"]) / node["name"] / "tmp"),
           "-Duser.home=" + str(Path(c["run"]) / node["name"] / "tmp"),
           "-cp", str(Path(c["run"]) / node["name"] / "conf") + os.pathsep + str(Path(c["lib"]) / "*"),
           "org.apache.cassandra.tools.NodeTool",
           "-h", "127.0.0.1", "-p", str(node["jmx"]), *words]
    return subprocess.run(cmd, capture_output=quiet).returncode


def start_node(args):
    c = load(args)
    node = pick(c, args.node)
    spawn(c, node)
    wait_ready(c, [node], args.patience, len(c["nodes"]))


def stop(args):
    c = load(args)
    nodes = [pick(c, args.node)] if args.node else c["nodes"]
    for n in nodes:
        say("%s %s" % (n["name"], "stopped" if end(c, n) else "was not running"))


def kill(args):
    c = load(args)
    end(c, pick(c, args.node), signal.SIGKILL)


def pause(args):
    c = load(args)
    pid = process_of(c, pick(c, args.node)) or die("that node is not running")
    os.kill(pid, signal.SIGSTOP if args.verb == "pause" else signal.SIGCONT)


def status(args):
    c = load(args)
    say("cluster %s  Cassandra %s  port %d  auth %s  tls %s" % (
        c["name"], c["version"], c["port"], "on" if c["auth"] else "off", c["tls"]))
    bad = 0
    for n in c["nodes"]:
        pid = process_of(c, n)
        if not pid:
            say("  %s  %-12s down" % (n["name"], n["ip"]))
            bad = 1
            continue
        try:
            view = "answers CQL, sees %d of %d nodes" % (peers_seen(c, n), len(c["nodes"]))
        except (OSError, CqlError) as e:
            view, bad = "does not answer: %s" % e, 1
        say("  %s  %-12s %s/%s  pid %-7d RSS %4d MiB  %s" % (n["name"], n["ip"], n["dc"], n["rack"], pid,
                                                          rss_mib(pid), view))
    return bad


def cql(args):
    c = load(args)
    try:
        columns, rows = Cql(c, pick(c, args.node)["ip"], 60).query(args.statement)
    except CqlError as e:
        die(str(e))
    if columns:
        say("\t".join(name for name, _ in columns))
    for row in rows:
        say("\t".join(show(cell, kind) for cell, (_, kind) in zip(row, columns)))


def clean(args):
    if state_file(args).exists():
        c = load(args)
        for n in c["nodes"]:
            end(c, n)
        shutil.rmtree(c["run"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--name", default="a", help="which cluster (default: a)")
    p.add_argument("--run-dir", default=os.environ.get("CASSANDRA_LAB_RUN", str(ROOT / "target/cassandra/run")))
    p.add_argument("--cache", default=os.environ.get("CASSANDRA_LAB_CACHE", str(ROOT / "target/cassandra/jars")),
                   help="where the jars go")
    common = argparse.ArgumentParser(add_help=False)
    for flag in ("--name", "--run-dir", "--cache"):
        common.add_argument(flag, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    sub = p.add_subparsers(dest="verb", required=True, metavar="VERB")

    s = sub.add_parser("start", help="start N nodes", parents=[common])
    s.add_argument("nodes", type=int, nargs="?", default=1)
    s.add_argument("--version", default=DEFAULT_VERSION)
    s.add_argument("--auth", action="store_true")
    s.add_argument("--tls", choices=("off", "on", "optional", "mutual"), default="off")
    s.add_argument("--ip-base", default="127.0.0.1", help="address of the first node")
    s.add_argument("--port", type=int, default=9042)
    s.add_argument("--storage-port", type=int, default=7000)
    s.add_argument("--jmx-port", type=int, default=7199, help="JMX port of the first node; the next ones follow")
    s.add_argument("--heap", default="512m")
    s.add_argument("--direct", default="256m", help="limit on direct memory")
    s.add_argument("--num-tokens", type=int, default=16)
    s.add_argument("--token-seed", type=int, default=1)
    s.add_argument("--dcs", help="data centre of each node, comma separated")
    s.add_argument("--racks", help="rack of each node, comma separated")
    s.add_argument("--java-home")
    s.add_argument("--c2", action="store_true", help="full JIT: slower start, faster server (for benchmarks)")
    s.add_argument("--jvm", action="append", default=[], metavar="FLAG", help="one more JVM flag (--jvm=-Dx=y)")
    s.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one more cassandra.yaml setting")
    s.add_argument("--fresh", action="store_true", help="delete the cluster's data first")
    s.add_argument("--patience", type=int, default=300, help="seconds to wait for one node")
    s.set_defaults(run=start)

    def verb(name, run, text, node=None):
        s = sub.add_parser(name, help=text, parents=[common])
        if node:
            s.add_argument("node", type=int, nargs=node if node == "?" else None)
        s.set_defaults(run=run)
        return s

    verb("install", install, "fetch what the lab needs with apt")
    verb("stop", stop, "stop every node, or one", "?")
    verb("start-node", start_node, "start one stopped node again", 1).add_argument("--patience", type=int, default=300)
    verb("kill", kill, "SIGKILL one node", 1)
    verb("pause", pause, "SIGSTOP one node", 1)
    verb("resume", pause, "SIGCONT one node", 1)
    verb("status", status, "state of every node")
    verb("clean", clean, "stop and delete")
    verb("jars", lambda a: say(str(resolve_jars(Path(a.cache).resolve(), a.version))),
         "resolve the jars only").add_argument("--version", default=DEFAULT_VERSION)
    s = verb("cql", cql, "run one statement")
    s.add_argument("statement")
    s.add_argument("--node", type=int, default=1)
    s = verb("nodetool", lambda a: nodetool(load(a), pick(load(a), a.node), a.words), "run nodetool", 1)
    s.add_argument("words", nargs=argparse.REMAINDER)
    args = p.parse_args()
    sys.exit(args.run(args) or 0)


if __name__ == "__main__":
    main()
