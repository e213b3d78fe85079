"""The cluster changes while a driver works through the proxy: what each change costs, and that all is answered."""
import threading
import time

import direct
from stage import case, log, misses, until

# Each worker owns a stretch of the token ring that no tablet crosses, so that a tablet never has two requests in
# flight, and "at most one miss" can be taken at its word.
WORKERS = 4
KEYS = 400
TABLETS = 64
# Errors of the server that a node's end explains; anything else, and above all silence, is a fault.
EXPLAINED = ("Unavailable", "WriteTimeout", "ReadTimeout", "OverloadedErrorMessage")


class Load:
    """Writes and reads back, over and over, the keys of one table; every failure is kept."""

    def __init__(self, session, keyspace, table="ints"):
        from cassandra.metadata import Murmur3Token
        self.session, self.table = session, table
        self.insert = session.prepare("INSERT INTO %s.%s (k, v) VALUES (?, ?)" % (keyspace, table))
        self.read = session.prepare("SELECT v FROM %s.%s WHERE k = ?" % (keyspace, table))
        self.keys = [[] for _ in range(WORKERS)]
        self.tokens = {}
        for k in range(KEYS):
            token = Murmur3Token.from_key(direct.key_bytes(table, k)).value
            self.tokens[k] = token
            self.keys[(token + (1 << 63)) * WORKERS >> 64].append(k)
        self.rounds, self.requests, self.faults, self.wrong = [0] * WORKERS, 0, [], 0
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(w,)) for w in range(WORKERS)]

    def work(self, worker):
        while not self.done.is_set():
            for k in self.keys[worker]:
                v = self.rounds[worker]
                if self.request(k, self.insert, [k, v]) is not None:
                    rows = self.request(k, self.read, [k])
                    if rows is not None and [tuple(r) for r in rows] != [(v,)]:
                        self.wrong += 1
            self.rounds[worker] += 1

    def request(self, k, statement, values):
        try:
            rows = self.session.execute(statement, values, timeout=20)
            self.requests += 1
            return rows
        except Exception as e:  # every kind of failure is what the application would see
            self.faults.append((type(e).__name__, str(e)[:200], k))
            time.sleep(0.01)
            return None

    def rounds_more(self, count=3, seconds=120):
        """Waits until every key was written and read again `count` times, from start to end."""
        wanted = [r + count + 1 for r in self.rounds]
        until("%d more rounds" % count, lambda: all(r >= w for r, w in zip(self.rounds, wanted)), seconds)

    def take_faults(self):
        faults, self.faults = self.faults, []
        return faults

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for t in self.threads:
            t.join(60)


class Scene:
    """A simulated cluster behind the proxy, and a load on one table that knows all tablets already."""

    def __init__(self, stage, factor):
        self.stage, self.factor = stage, factor
        self.keyspace = "changed%d" % factor
        self.sim = stage.sim(3, 4, TABLETS)
        self.proxy = stage.proxy(self.sim.hosts[0])
        self.session = stage.enter_context(direct.session(self.proxy.host))
        direct.create_load_tables(self.session, self.keyspace, factor)
        # The fewest errors that reach the application are those that the driver does not hide by trying again.
        from cassandra.policies import FallthroughRetryPolicy
        profile = self.session.cluster.profile_manager.default
        profile.retry_policy = FallthroughRetryPolicy()
        self.load = stage.enter_context(Load(self.session, self.keyspace))
        self.load.rounds_more(4)
        assert not self.load.faults, self.load.faults[:3]

    def arrivals(self):
        return self.sim.requests(self.keyspace)["ints"]

    def tablets(self):
        return self.sim.tablets(self.keyspace, "ints")

    def change(self, name, do, allowed):
        """Does something in mid-load; it may cost `allowed` misses, and no request its answer."""
        self.sim.reset()
        do()
        self.load.rounds_more(4)
        cost, faults = self.arrivals(), self.load.take_faults()
        log("%s: %s, at most %d misses allowed, %d failures" % (name, cost, allowed, len(faults)))
        assert not faults, "%s: %s" % (name, faults[:3])
        assert misses(cost) <= allowed, "%s cost %d misses, allowed are %d: %s" % (name, misses(cost), allowed, cost)
        self.quiet(name)

    def quiet(self, after):
        """From now on nothing misses."""
        self.sim.reset()
        self.load.rounds_more(2)
        arrivals = self.arrivals()
        assert misses(arrivals) == 0 and arrivals["payloads"] == 0, "long after %s: %s" % (after, arrivals)
        assert not self.load.wrong, "%d values are not what was written" % self.load.wrong

    def touched(self):
        """How many tablets hold a key of the load."""
        ranges = [(t["first"], t["last"]) for t in self.tablets()]
        return len({next(r for r in ranges if token <= r[1]) for token in self.load.tokens.values()})


def spots(tablet):
    return [(r["node"], r["shard"]) for r in tablet["replicas"]]


def move_some(scene, count, across):
    """Moves one replica of every `64 / count`-th tablet, to another node or to the next shard."""
    moved = 0
    tablets = scene.tablets()
    for tablet in tablets[::max(1, len(tablets) // count)]:
        here = spots(tablet)
        node, shard = here[moved % len(here)]
        free = [n for n in range(3) if n not in {spot[0] for spot in here}]
        target = (free[0], shard) if across and free else (node, (shard + 1) % 4)
        scene.sim.move(scene.keyspace, "ints", tablet["last"], (node, shard), target)
        moved += 1
    return moved


def differing_replicas(before, after):
    """For each tablet after the change: how many of its replicas a client that knew the old ones would get wrong."""
    wrong = 0
    for tablet in after:
        for old in before:
            if old["first"] < tablet["last"] and tablet["first"] < old["last"]:
                wrong += len(set(spots(old)) - set(spots(tablet)))
    return wrong


def tablets_change(stage, factor):
    scene = Scene(stage, factor)
    scene.quiet("the start")
    scene.change("16 moves within the node", lambda: move_some(scene, 16, across=False), 16)
    if factor < 3:
        scene.change("16 moves to another node", lambda: move_some(scene, 16, across=True), 16)
    for name, path in (("split", "split"), ("merge", "merge"), ("merge again", "merge")):
        before = scene.tablets()
        # What it costs is known only once it is done, so the change itself checks the lower bound alone.
        scene.sim.reset()
        scene.sim.post("/sim/tablets/" + path, ks=scene.keyspace, table="ints")
        allowed = differing_replicas(before, scene.tablets())
        scene.load.rounds_more(4)
        cost, faults = scene.arrivals(), scene.load.take_faults()
        log("%s to %d tablets: %s, at most %d misses allowed" % (name, len(scene.tablets()), cost, allowed))
        assert not faults, "%s: %s" % (name, faults[:3])
        assert misses(cost) <= allowed, "%s cost %d misses, allowed are %d" % (name, misses(cost), allowed)
        scene.quiet(name)


@case(deadline=400)
def changes_python_tablets_rf3(stage):
    tablets_change(stage, 3)


@case(deadline=400)
def changes_python_tablets_rf1(stage):
    tablets_change(stage, 1)


@case(deadline=300)
def changes_python_table_made_again(stage):
    """The table goes and comes back in mid-load: errors say so meanwhile, then all is learnt anew."""
    scene = Scene(stage, 3)
    with direct.session(scene.proxy.host) as other:
        other.execute("DROP TABLE %s.ints" % scene.keyspace)
        time.sleep(1)
        other.execute("CREATE TABLE %s.ints (k int PRIMARY KEY, v int)" % scene.keyspace)
    created = time.monotonic()
    until("the load goes on", lambda: scene.load.take_faults() == [] and time.monotonic() > created + 1, 30, 0.5)
    scene.load.rounds_more(4)
    cost, faults = scene.arrivals(), scene.load.take_faults()
    log("made again: %s, %d failures after" % (cost, len(faults)))
    assert not faults, faults[:3]
    allowed = scene.touched() * scene.factor
    assert misses(cost) <= allowed, "%d misses, allowed are %d: %s" % (misses(cost), allowed, cost)
    scene.quiet("the table was made again")


def node_goes_and_comes(stage, factor, how):
    """One node ends in mid-load and comes back: only what it was at work on may fail, and nothing misses later."""
    scene = Scene(stage, factor)
    keys_there = {k for k, token in scene.load.tokens.items() for t in scene.tablets()
                  if t["first"] < token <= t["last"] and any(node == 1 for node, _ in spots(t))}
    scene.sim.post("/sim/nodes/1/" + how)
    scene.load.rounds_more(3, 120)
    away = scene.load.take_faults()
    scene.sim.reset()
    scene.sim.post("/sim/nodes/1/start")
    until("every shard of node 1 has a connection again", lambda: all(scene.sim.nodes()[1]["connections"]), 60)
    settling = scene.load.take_faults()
    scene.load.rounds_more(4)
    late = scene.load.take_faults()
    log("%s with RF %d: %d failures while away, %d while it came back, %d later; %s"
        % (how, factor, len(away), len(settling), len(late), scene.arrivals()))
    strange = [f for f in away + settling if f[0] not in EXPLAINED]
    assert not strange, "%s: not explained: %s" % (how, strange[:3])
    assert not late, "%s: failures after it was back: %s" % (how, late[:3])
    if factor == 3:
        assert len(away) <= WORKERS, "QUORUM of 3 has two left, yet %d failed: %s" % (len(away), away[:3])
        assert not settling, "coming back cost %s" % settling[:3]
    else:
        elsewhere = [f for f in away + settling if f[2] not in keys_there]
        assert not elsewhere, "keys of other nodes failed: %s" % elsewhere[:3]
    scene.quiet(how)


@case(deadline=400)
def changes_python_node_stop(stage):
    node_goes_and_comes(stage, 3, "stop")


@case(deadline=400)
def changes_python_node_stop_rf1(stage):
    node_goes_and_comes(stage, 1, "stop")


@case(deadline=400)
def changes_python_node_kill(stage):
    node_goes_and_comes(stage, 3, "kill")
