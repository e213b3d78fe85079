"""Tablets that are read from system.tablets: a cold table, and replicas that were added, with the right to read and without."""
import collections
import contextlib
import time

import direct
from stage import case, log, misses, until

NODES, SHARDS = 3, 4
ROOT_NAME, ROOT_PASSWORD = "root", "root-secret"
# Replicas of a key are 3 of 12 shards: a request for an unknown tablet goes astray 3 times of 4.
FACTOR = 3


class Cluster:
    """A simulated cluster that wants logins, and the superuser's session straight to it."""

    def __init__(self, stage, *more):
        from cassandra.auth import PlainTextAuthProvider
        self.stage = stage
        self.sim = stage.sim(NODES, SHARDS, 64, 1, "--user", "%s:%s" % (ROOT_NAME, ROOT_PASSWORD), *more)
        provider = PlainTextAuthProvider(ROOT_NAME, ROOT_PASSWORD)
        self.session = stage.enter_context(direct.session(self.sim.hosts[0], auth_provider=provider))

    def create(self, keyspace, tablets, factor, role):
        """A keyspace with two tables, which the role may use."""
        more = " AND tablets = {'initial': %d}" % tablets
        self.session.execute(direct.CREATE % (keyspace, factor, more))
        for table in ("cold", "quiet"):
            self.session.execute("CREATE TABLE %s.%s (k int PRIMARY KEY, v int)" % (keyspace, table))
            self.sim.post("/sim/roles/%s/grant" % role, ks=keyspace, table=table)
        for table in ("sessions", "events"):
            self.sim.post("/sim/roles/%s/grant" % role, ks="system_traces", table=table)

    def proxy(self, role, last, may_read):
        """A proxy with a role of its own, which may read tablets or not."""
        self.sim.post("/sim/roles/%s/create" % role, password="pw")
        if may_read:
            self.session.execute("GRANT SELECT ON system.tablets TO " + role)
        password = self.stage.file("password", "pw")
        return self.stage.proxy(self.sim.hosts[0], "--username", role, "--password-file", password, last=last)


def write(s, statement, count):
    for k in range(count):
        s.execute(statement, (k * 2_654_435_761 % (1 << 32) - (1 << 31), k))


def tables_read(proxy, result):
    return proxy.metrics()['shardlane_tablet_reads_total{result="%s"}' % result]


def cold(cluster, proxy, keyspace, tablets):
    """Misses of a table that is used at once, and of one whose statement was prepared a moment before."""
    insert = "INSERT INTO %s.%s (k, v) VALUES (?, ?)"
    with direct.session(proxy.host) as s:
        cluster.sim.reset()
        write(s, s.prepare(insert % (keyspace, "cold")), 2 * tablets)
        read = tables_read(proxy, "complete")
        began = time.monotonic()
        statement = s.prepare(insert % (keyspace, "quiet"))
        may_read = read > 0
        if may_read:
            until("the quiet table is read", lambda: tables_read(proxy, "complete") > read, 10, 0.002)
        took = time.monotonic() - began
        write(s, statement, 2 * tablets)
        arrived = cluster.sim.requests(keyspace)
    log("%s: %d tablets, may read: %s, read within %.0f ms, at once %s, after that %s"
        % (keyspace, tablets, may_read, took * 1000, arrived["cold"], arrived["quiet"]))
    return misses(arrived["cold"]), misses(arrived["quiet"])


@case(deadline=300)
def tablets_of_a_cold_table_are_known_before_they_are_missed(stage):
    cluster = Cluster(stage)
    reads = cluster.proxy("reads", 100, True)
    learns = cluster.proxy("learns", 101, False)
    for tablets in (64, 1024, 4096):
        cluster.create("read%d" % tablets, tablets, FACTOR, "reads")
        cluster.create("learned%d" % tablets, tablets, FACTOR, "learns")
        at_once, later = cold(cluster, reads, "read%d" % tablets, tablets)
        assert later == 0, "%d of a table with %d tablets were missed, all of which were read" % (later, tablets)
        without, _ = cold(cluster, learns, "learned%d" % tablets, tablets)
        log("%d tablets: %d misses with the right, %d without" % (tablets, at_once, without))
        assert at_once * 10 < without, "%d misses with the right, %d without" % (at_once, without)
    assert tables_read(learns, "refused") == 1, "what is refused once is not asked again and again"
    assert "GRANT SELECT ON system.tablets" in learns.child.error_path.read_text()


@case(deadline=120)
def tablets_of_a_cold_table_are_read_from_6_2_as_well(stage):
    cluster = Cluster(stage, "--like", "6.2")
    reads = cluster.proxy("reads", 100, True)
    cluster.create("read64", 64, FACTOR, "reads")
    _, later = cold(cluster, reads, "read64", 64)
    assert later == 0, "%d of 64 tablets were missed, all of which were read" % later


def coordinators(s, statement, count):
    """How often each node was asked for one row."""
    asked = collections.Counter()
    for _ in range(count):
        # Equally busy replicas take turns, and the two questions about the trace have a turn each.
        s.execute(statement, (7,))
        trace = s.execute(statement, (7,), trace=True).get_query_trace(10)
        asked[str(trace.coordinator)] += 1
    return asked


@case(deadline=180)
def replicas_that_are_added_get_their_share(stage):
    """No node ever says that there are more replicas: after ALTER KEYSPACE the first one would do all the work."""
    cluster = Cluster(stage)
    with contextlib.ExitStack() as stack:
        for role, last, may_read in (("reads", 100, True), ("learns", 101, False)):
            proxy = cluster.proxy(role, last, may_read)
            cluster.create(role, 16, 1, role)
            s = stack.enter_context(direct.session(proxy.host, consistency="ONE"))
            statement = s.prepare("SELECT v FROM %s.cold WHERE k = ?" % role)
            write(s, s.prepare("INSERT INTO %s.cold (k, v) VALUES (?, ?)" % role), 200)
            before = coordinators(s, statement, 20)
            assert max(before.values()) >= 19, "with one copy: %s" % before
            cluster.session.execute("ALTER KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', "
                                    "'replication_factor': %d}" % (role, FACTOR))
            until("each replica is asked", lambda: len(coordinators(s, statement, 6)) == FACTOR, 20)
            after = coordinators(s, statement, 30)
            log("%s: one copy %s, then three %s" % (role, dict(before), dict(after)))
            assert min(after[host] for host in cluster.sim.hosts) >= 5, "with three copies: %s" % after
