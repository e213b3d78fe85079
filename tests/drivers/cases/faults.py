"""Real faults on real sockets: silence, resets, lost nodes, lost descriptors, lost memory, a lost proxy, a lost clock.

Whatever happens, each request is answered in time, rightly or with an error, and afterwards nothing is amiss.
"""
import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
import time

import direct
from cases.bad_clients import connection, frame, query, started
from cases.changes import EXPLAINED, Load
from stage import ROOT, TARGET, Skip, case, fetch, log, misses, until

KEYS = 120
NODES, SHARDS, TABLETS = 3, 4, 32
LANES = NODES * SHARDS
# A request is given up after so long; the proxy looks every quarter of a second, and the machine is busy.
TIMEOUT_MS = 3000
LATE = TIMEOUT_MS / 1000 + 2
TICKS = os.sysconf("SC_CLK_TCK")


class Timed(Load):
    """A load that remembers how long the slowest request took."""

    def __init__(self, session, keyspace, table="ints"):
        super().__init__(session, keyspace, table)
        self.keys = [[k for k in keys if k < KEYS] for keys in self.keys]
        self.longest = 0.0

    def request(self, k, statement, values):
        begin = time.monotonic()
        try:
            return super().request(k, statement, values)
        finally:
            self.longest = max(self.longest, time.monotonic() - begin)

    def take_longest(self):
        longest, self.longest = self.longest, 0.0
        return longest


class Scene:
    """A simulated cluster behind the proxy, and a load that knows every tablet already."""

    def __init__(self, stage, sim=None, **reconnecting):
        os.environ["SHARDLANE_TIMEOUTS_REQUEST_MS"] = str(TIMEOUT_MS)
        self.sim = sim or stage.sim(NODES, SHARDS, TABLETS)
        self.proxy = stage.proxy(self.sim.hosts[0])
        self.session = stage.enter_context(direct.session(self.proxy.host, **reconnecting))
        direct.create_load_tables(self.session, "faults", 3)
        from cassandra.policies import FallthroughRetryPolicy
        self.session.cluster.profile_manager.default.retry_policy = FallthroughRetryPolicy()
        self.load = stage.enter_context(Timed(self.session, "faults"))
        self.load.rounds_more(3)
        assert not self.load.faults, self.load.faults[:3]
        self.load.take_longest()

    def lanes(self):
        return int(sum(v for n, v in self.proxy.metrics().items() if n.startswith("shardlane_lanes{")))

    def explained(self, what, longest=LATE):
        """Every request so far was answered in time, and no failure is a strange one."""
        faults, slowest = self.load.take_faults(), self.load.take_longest()
        log("%s: %d failures, slowest %.2f s" % (what, len(faults), slowest))
        strange = [f for f in faults if f[0] not in EXPLAINED]
        assert not strange, "%s: not explained: %s" % (what, strange[:3])
        assert slowest <= longest, "%s: an answer took %.1f s" % (what, slowest)
        assert not self.load.wrong, "%s: %d values are not what was written" % (what, self.load.wrong)
        return faults

    def well_again(self, after, seconds=5):
        """Every lane is up within `seconds`; then nothing fails and nothing misses."""
        begin = time.monotonic()
        until("%d lanes after %s" % (LANES, after), lambda: self.lanes() >= LANES, seconds)
        log("%s: all lanes after %.1f s" % (after, time.monotonic() - begin))
        self.load.rounds_more(2, 60)
        self.explained(after)
        # One miss for each tablet that was learned while the cluster was not whole; then none.
        self.load.rounds_more(1, 60)
        self.sim.reset()
        self.load.rounds_more(2, 60)
        arrivals = self.sim.requests("faults")["ints"]
        assert misses(arrivals) == 0 and arrivals["payloads"] == 0, "long after %s: %s" % (after, arrivals)
        assert not self.explained("well after " + after), after


def cpu_seconds(process):
    fields = open("/proc/%d/stat" % process.pid).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(process, what="VmRSS"):
    for line in open("/proc/%d/status" % process.pid):
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no %s" % what)


@case(deadline=150)
def faults_whole_cluster_outage(stage):
    """All nodes are gone for 15 s: errors at once, and 5 s after their return every lane is up."""
    scene = Scene(stage)
    for node in range(NODES):
        scene.sim.post("/sim/nodes/%d/kill" % node)
    time.sleep(15)
    assert scene.explained("outage"), "nothing failed: there was no outage"
    for node in range(NODES):
        scene.sim.post("/sim/nodes/%d/start" % node)
    scene.well_again("the outage")


@case(deadline=150)
def faults_stopped_nodes(stage):
    """The nodes' process is stopped for 20 s: connections stand, no node answers, each request gets its error in time."""
    scene = Scene(stage)
    scene.sim.child.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(20)
        assert fetch(scene.proxy.admin + "/metrics")[0] == 200
        assert scene.explained("stopped"), "nothing failed: nodes were not stopped"
    finally:
        scene.sim.child.process.send_signal(signal.SIGCONT)
    scene.load.rounds_more(1, 60)
    scene.explained("just resumed")
    scene.well_again("the stop", 20)


@case(deadline=120)
def faults_descriptors_run_out(stage):
    """No descriptor is left: new clients wait, nothing spins, the others notice nothing, and it recovers."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(few, 1024), most))
    scene = Scene(stage)
    process = scene.proxy.child.process
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (most, most), "the limit was not raised"
    used = len(os.listdir("/proc/%d/fd" % process.pid))
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 20, before[1]))
    crowd = []
    try:
        for _ in range(60):
            crowd.append(socket.create_connection((scene.proxy.host, 9042), 10))
        time.sleep(1)
        assert len(os.listdir("/proc/%d/fd" % process.pid)) == used + 20, "there was no shortage"
        for _ in range(3):
            assert fetch(scene.proxy.admin + "/livez")[0] == 200, "who looks whether it lives does not see it"
        scene.load.take_longest()
        scene.load.rounds_more(2)
        # With the load held still, what the proxy burns it burns on accepting in vain.
        scene.load.done.set()
        for thread in scene.load.threads:
            thread.join(30)
        ticked = cpu_seconds(process)
        time.sleep(2)
        burnt = (cpu_seconds(process) - ticked) / 2
        log("%d descriptors, %.3f of a core while nothing can be accepted" % (used + 20, burnt))
        assert burnt < 0.15, "%.2f of a core" % burnt
        assert not scene.explained("no descriptors"), "an existing client suffered"
    finally:
        for client in crowd:
            client.close()
    with connection(scene.proxy) as late:
        started(late)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    until("its pages are served again", scene.proxy.ready, 10)
    with direct.session(scene.proxy.host) as s:
        assert s.execute("SELECT v FROM faults.ints WHERE k = 1").one() is not None


BACKLOG_MIB, DEAF = 8, 24
# Rows of 64 KiB: more than the bound and all buffers of the kernel.
ENOUGH = 16 * (BACKLOG_MIB + 7)


@contextlib.contextmanager
def deaf_clients(proxy, count):
    """Clients that ask for `count` rows of 64 KiB each, and read none of them."""
    ask = b"".join(query("SELECT v FROM faults.blobs WHERE k = 1", stream) for stream in range(count))
    with contextlib.ExitStack() as sockets:
        for _ in range(DEAF):
            s = sockets.enter_context(connection(proxy))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            started(s)
            s.sendall(ask)
        yield


@case(deadline=120)
def faults_memory_is_capped(stage):
    """Clients that ask for much and read nothing: under a cap on its memory the proxy lives, and others are served."""
    os.environ["SHARDLANE_LIMITS_CLIENT_BACKLOG_BYTES_MAX"] = str(BACKLOG_MIB << 20)
    # Else so few answers are under way to them that none comes to the bound of what may be left unread.
    os.environ["SHARDLANE_LIMITS_CLIENT_ANSWER_BYTES_MAX"] = str(1 << 30)
    scene = Scene(stage)
    process, cap = scene.proxy.child.process, 512 << 20
    resource.prlimit(process.pid, resource.RLIMIT_DATA, (cap, cap))
    scene.session.execute("CREATE TABLE faults.blobs (k int PRIMARY KEY, v blob)")
    scene.session.execute(scene.session.prepare("INSERT INTO faults.blobs (k, v) VALUES (1, ?)"), [bytes(1 << 16)])
    idle = memory_mib(process)

    def cut_off():
        return scene.proxy.metrics().get('shardlane_clients_rejected_total{reason="unread_answers"}', 0)
    # What is unread may be the bound and one answer more; a buffer grows by doubling, and so may hold twice that.
    allowed, taken = idle + DEAF * 2 * (BACKLOG_MIB + 1 / 16) + 24, 0.0
    for count in (BACKLOG_MIB * 16 - 2, ENOUGH):
        with deaf_clients(scene.proxy, count):
            most, end = 0.0, time.monotonic() + (3 if count < ENOUGH else 20)
            while time.monotonic() < end and cut_off() < DEAF:
                most = max(most, memory_mib(process))
                time.sleep(0.1)
            scene.load.rounds_more(1, 60)
        log("%.1f MiB before, %.1f with %d clients that ask for %d MiB each, allowed %.1f"
            % (idle, most, DEAF, count // 16, allowed))
        assert most <= allowed, "%.1f MiB with %d deaf clients, allowed are %.1f" % (most, DEAF, allowed)
        assert most > idle + DEAF or count == ENOUGH, "nothing was left unread"
        taken = max(taken, most - idle)
        scene.explained("deaf clients", 10)
    assert cut_off() == DEAF, "%d clients were closed for reading nothing" % cut_off()
    # The allocator keeps some of what is freed between things that stay.
    until("memory is given back", lambda: memory_mib(process) < idle + taken / 2, 20)
    scene.well_again("deaf clients")


@case(deadline=150)
def faults_proxy_is_killed(stage):
    """kill -9 under load, three times: the driver reconnects by itself, and nothing acknowledged is lost."""
    from cassandra.policies import ConstantReconnectionPolicy
    scene = Scene(stage, reconnection_policy=ConstantReconnectionPolicy(0.3, None))
    for time_killed in range(3):
        scene.proxy.child.kill()
        time.sleep(1)
        begin = time.monotonic()
        scene.proxy.launch()
        scene.load.rounds_more(1, 60)
        faults = scene.load.take_faults()
        log("kill %d: %d failures, a whole round %.1f s after the start" % (time_killed, len(faults), time.monotonic() - begin))
        assert faults, "nothing failed: was there a load?"
        strange = {f[0] for f in faults} - {"NoHostAvailable", "ConnectionShutdown", "OperationTimedOut", *EXPLAINED}
        assert not strange, "not explained: %s in %s" % (strange, faults[:3])
        assert not scene.load.wrong, "%d values are not what was written" % scene.load.wrong
    scene.load.take_longest()
    scene.well_again("the kills")


@case(deadline=120)
def faults_drain_under_load(stage):
    """SIGTERM while requests are on their way: each that was read is answered, then every client hears the end."""
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, "--delay-ms", 400)
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        direct.create_load_tables(s, "drained", 3)
    with contextlib.ExitStack() as sockets:
        clients = [sockets.enter_context(connection(proxy, 15)) for _ in range(8)]
        idle = sockets.enter_context(connection(proxy, 15))
        for client in (*clients, idle):
            started(client)
        count = 40
        before = sum(v for n, v in proxy.metrics().items() if n.startswith("shardlane_requests_received_total"))
        for client in clients:
            client.sendall(b"".join(query("SELECT v FROM drained.ints WHERE k = %d" % k, k) for k in range(count)))
        received = lambda: sum(v for n, v in proxy.metrics().items() if n.startswith("shardlane_requests_received_total"))
        until("all requests are read", lambda: received() >= before + count * len(clients), 10, 0.01)
        begin = time.monotonic()
        proxy.child.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b"", "an idle client is closed at once"
        try:
            socket.create_connection((proxy.host, 9042), 2).close()
            raise AssertionError("who comes now waits in the kernel for the end")
        except ConnectionRefusedError:
            log("new clients are refused")
        for client in clients:
            streams = set()
            for _ in range(count):
                opcode, stream, body = frame(client)
                assert opcode == 0x08, "stream %d: %s" % (stream, body[:80])
                streams.add(stream)
            assert streams == set(range(count)), "a stream was answered twice"
            assert client.recv(1) == b"", "and then the close"
    code = proxy.child.wait(10)
    took = time.monotonic() - begin
    log("%d requests answered, exit code %d after %.1f s" % (count * len(clients), code, took))
    assert code == 0 and took < 10, (code, took)
    with contextlib.suppress(ConnectionError):
        socket.create_connection((proxy.host, 9042), 2).close()
        raise AssertionError("it still listens")


class Wires:
    """The simulated nodes in a network namespace of their own, with one wire to each, to be cut or squeezed."""

    def __init__(self, stage):
        a, b = stage.net.split(".")[1:]
        self.stage, self.space = stage, "shardlane-%s-%s" % (a, b)
        self.net, self.tag = "10.%s.%s" % (a, b), "s%s.%s." % (a, b)
        # One that a killed run left behind goes with its wires.
        subprocess.run(["ip", "netns", "del", self.space], stderr=subprocess.DEVNULL, check=False)
        self.ip("netns", "add", self.space, or_skip=True)
        stage.callback(subprocess.run, ["ip", "netns", "del", self.space], stderr=subprocess.DEVNULL)
        self.ip("-n", self.space, "link", "set", "lo", "up")
        for node in range(1, NODES + 1):
            near, far = self.near(node), self.far(node)
            self.ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.space, or_skip=True)
            self.ip("addr", "add", "%s.%d/32" % (self.net, 250 + node), "dev", near)
            self.ip("-n", self.space, "addr", "add", "%s.%d/32" % (self.net, node), "dev", far)
            self.ip("link", "set", near, "up")
            self.plug(node)
            self.ip("route", "add", "%s.%d/32" % (self.net, node), "dev", near, "src", "%s.%d" % (self.net, 250 + node))

    def near(self, node):
        return "%s%d" % (self.tag, node)

    def far(self, node):
        return "%s%dn" % (self.tag, node)

    def ip(self, *words, or_skip=False):
        self.run("ip", *words, or_skip=or_skip)

    def run(self, *words, or_skip=False):
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=20)
            problem = " ".join(done.stdout.split()) if done.returncode else None
        except FileNotFoundError:
            problem = "there is no such program"
        if problem and or_skip:
            raise Skip("not permitted here: %s: %s" % (" ".join(words), problem))
        assert not problem, "%s: %s" % (" ".join(words), problem)

    def sim(self):
        from stage import Sim, program

        class Inside(Sim):
            def __init__(self, wires):
                self.hosts = ["%s.%d" % (wires.net, node) for node in range(1, NODES + 1)]
                self.api = "http://%s:10000" % self.hosts[0]
                self.child = wires.stage.start(
                    ["ip", "netns", "exec", wires.space, program(), "sim", "--nodes", NODES, "--shards", SHARDS,
                     "--address", self.hosts[0], "--api", self.hosts[0] + ":10000", "--tablets", TABLETS], "sim")
                self.child.next_line(30, lambda line: line.strip() == "ready")
        return Inside(self)

    def cut(self, node):
        """Neither side hears the other any more, and no connection is closed."""
        self.ip("-n", self.space, "link", "set", self.far(node), "down")

    def plug(self, node):
        self.ip("-n", self.space, "link", "set", self.far(node), "up")
        self.ip("-n", self.space, "route", "replace", "%s.%d/32" % (self.net, 250 + node), "dev", self.far(node),
                "src", "%s.%d" % (self.net, node))

    def squeeze(self, node, *discipline, or_skip=False):
        """A queueing discipline on both ends of a wire."""
        self.run("tc", "qdisc", "replace", "dev", self.near(node), "root", *discipline, or_skip=or_skip)
        self.run("tc", "-n", self.space, "qdisc", "replace", "dev", self.far(node), "root", *discipline)

    def release(self, node):
        self.run("tc", "qdisc", "del", "dev", self.near(node), "root")
        self.run("tc", "-n", self.space, "qdisc", "del", "dev", self.far(node), "root")

    def reset(self, node):
        """Every connection of a node ends in RST."""
        self.run("ip", "netns", "exec", self.space, "ss", "-K", "src", "%s.%d" % (self.net, node), or_skip=True)


@case(deadline=150)
def faults_partition(stage):
    """The wire to one node is cut for 8 s: who asked there hears an error in time, the others go on, and it heals."""
    wires = Wires(stage)
    scene = Scene(stage, wires.sim())
    wires.cut(2)
    requests = scene.load.requests
    time.sleep(8)
    wires.plug(2)
    done = scene.load.requests - requests
    faults = scene.explained("partition")
    log("%d requests were served meanwhile" % done)
    assert faults, "nothing failed: the wire was not cut"
    assert done > 200, "two nodes of three still answer, yet only %d requests were served" % done
    scene.load.rounds_more(1, 60)
    scene.explained("just healed")
    scene.well_again("the partition", 30)


@case(deadline=120)
def faults_reset(stage):
    """Every connection to a node is reset, five times: a read is asked again, and a write that had left is answered."""
    wires = Wires(stage)
    scene = Scene(stage, wires.sim())
    for turn in range(5):
        wires.reset(1 + turn % NODES)
        scene.load.rounds_more(1, 60)
    faults = scene.explained("resets")
    # Four workers, one request each.
    assert len(faults) <= 5 * 4, faults[:3]
    scene.well_again("the resets")


def slow_wires(stage, *discipline):
    wires = Wires(stage)
    scene = Scene(stage, wires.sim())
    for node in (1, 2, 3):
        wires.squeeze(node, *discipline, or_skip=True)
    blob = bytes(range(256)) * 32
    scene.session.execute("CREATE TABLE faults.blobs (k int PRIMARY KEY, v blob)")
    insert = scene.session.prepare("INSERT INTO faults.blobs (k, v) VALUES (?, ?)")
    read = scene.session.prepare("SELECT v FROM faults.blobs WHERE k = ?")
    futures = [scene.session.execute_async(insert, [k, blob]) for k in range(60)]
    kept = [k for k, future in enumerate(futures) if answered(future) is not None]
    futures = [(k, scene.session.execute_async(read, [k])) for k in kept]
    for k, future in futures:
        rows = answered(future)
        assert rows is None or rows.one()[0] == blob, "row %d came back bent" % k
    scene.load.rounds_more(1, 60)
    scene.explained("slow wires", LATE + 2)
    log("%d of 60 rows of 8 KiB were written and read" % len(kept))
    assert len(kept) >= 40, "only %d rows came through" % len(kept)
    dropped = subprocess.run(["tc", "-s", "qdisc", "show", "dev", wires.near(1)], stdout=subprocess.PIPE, text=True)
    log(" ".join(dropped.stdout.split()))
    for node in (1, 2, 3):
        wires.release(node)
    scene.well_again("slow wires", 30)
    return dropped.stdout


def answered(future):
    """The rows, or None when the answer is an error that explains itself."""
    try:
        return future.result()
    except Exception as e:  # judged below
        assert type(e).__name__ in EXPLAINED, repr(e)
        log("not answered:", repr(e)[:150])
        return None


@case(deadline=120)
def faults_delay_and_loss(stage):
    """20 ms and one packet in fifty lost on every wire."""
    slow_wires(stage, "netem", "delay", "20ms", "5ms", "loss", "2%")


@case(deadline=150)
def faults_narrow_wires(stage):
    """Wires of 8 Mbit/s with short queues: packets wait, and those that find the queue full are lost."""
    told = slow_wires(stage, "tbf", "rate", "8mbit", "burst", "10k", "limit", "20k")
    assert "dropped 0," not in told, "no packet was lost: %s" % told


SHIM = ROOT / "tests/drivers/clock_shim.c"


@case(deadline=120)
def faults_clock_jumps(stage):
    """The wall clock jumps an hour on, and two back: nothing times out, no lane is lost; only the log shows it."""
    library, offset = TARGET / "clock_shim.so", "%s.offset" % os.environ["TEST_LOG"]
    try:
        built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise Skip("there is no C compiler")
    assert built.returncode == 0, built.stdout

    def jump(seconds):
        with open(offset, "wb") as out:
            out.write(struct.pack("=q", seconds))
    jump(0)
    sim = stage.sim(NODES, SHARDS, TABLETS)
    os.environ.update(LD_PRELOAD=str(library), CLOCK_OFFSET=offset)
    try:
        scene = Scene(stage, sim)
    finally:
        del os.environ["LD_PRELOAD"]
    handshakes = lambda: sum(v for n, v in scene.proxy.metrics().items() if n.startswith("shardlane_handshakes_total"))
    before = handshakes()
    for seconds in (3600, -3600, 0):
        jump(seconds)
        scene.load.rounds_more(2)
        assert not scene.explained("a jump to %+d s" % seconds, 2.5), "a jump is no reason to fail"
    jump(86_400)
    assert handshakes() == before and scene.lanes() == LANES, "lanes were lost"
    scene.proxy.child.process.send_signal(signal.SIGTERM)
    scene.proxy.child.wait(20)
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    errors = scene.proxy.child.error_path.read_text() + "\n".join(scene.proxy.child.lines)
    assert tomorrow in errors, "the clock did not jump at all: %s" % errors[-300:]

