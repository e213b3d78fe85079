"""The test's own sessions, straight to a cluster, by which it judges what went through the proxy."""
import contextlib

CREATE = "CREATE KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': %d}%s"


@contextlib.contextmanager
def session(host, keyspace=None, consistency="QUORUM", port=9042, **more):
    # Only a case's own process has the driver; the runner reads the list of cases without it.
    from cassandra import ConsistencyLevel
    from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile
    from cassandra.policies import RoundRobinPolicy
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=30,
                               consistency_level=ConsistencyLevel.name_to_value[consistency])
    cluster = Cluster([host], port=port, execution_profiles={EXEC_PROFILE_DEFAULT: profile}, connect_timeout=10, **more)
    try:
        yield cluster.connect(keyspace)
    finally:
        cluster.shutdown()


def create_load_tables(s, keyspace, factor, more=""):
    """The two tables that the load programs use."""
    s.execute("DROP KEYSPACE IF EXISTS " + keyspace)
    s.execute(CREATE % (keyspace, factor, more))
    for kind in ("int", "text"):
        s.execute("CREATE TABLE %s.%ss (k %s PRIMARY KEY, v int)" % (keyspace, kind, kind))


def key_bytes(table, k):
    """The partition key that the load programs store number `k` under."""
    return k.to_bytes(4, "big", signed=True) if table == "ints" else ("ключ %d" % k).encode()


def replicas(s, keyspace, table, k):
    """The addresses of the replicas of one key, by the driver's own token arithmetic."""
    return {host.address for host in s.cluster.metadata.get_replicas(keyspace, key_bytes(table, k))}
