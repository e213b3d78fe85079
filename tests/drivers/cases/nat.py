"""What stands between the proxy and the cluster: NAT, load balancers, and the distance to another data center."""
import contextlib
import socket
import threading

import direct
from cases.through_sim import NODES, SHARDS, TABLETS, nothing_misses
from cases.tls import folder, sim_flags
from certificates import Authority
from stage import case, program, until

PORT = 29042


def connections(sim):
    """How many connections each shard of each node has, the one that watches the cluster among them."""
    return [n["connections"] for n in sim.nodes()]


@case(deadline=180, together=2)
def through_sim_python_with_proxy_headers(stage):
    """Each shard is dialled once and reached at once, though source ports arrive rewritten: nothing misses."""
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, "--nat", "--proxy-protocol-port", PORT)
    settings = stage.file("proxy.toml", "[lanes]\nproxy_protocol_port = %d\n" % PORT)
    proxy = stage.proxy(sim.hosts[0], "--config", settings)
    until("every shard has a lane", lambda: all(all(shards) for shards in connections(sim)), 60)
    total = sum(map(sum, connections(sim)))
    assert total == NODES * SHARDS + 1, "%d connections: some were opened in excess" % total
    nothing_misses(stage, sim, proxy, "tablets3", 3)
    nothing_misses(stage, sim, proxy, "vnodes1", 1, " AND tablets = {'enabled': false}")
    found = {name: value for name, value in proxy.metrics().items() if "mismatch" in name}
    assert found and not any(found.values()), "connections came to other shards than their headers say: %s" % found


@case(deadline=240, together=2)
def through_sim_python_with_proxy_headers_and_tls(stage):
    """The header comes first and plain, TLS after it: each shard is reached at once, and nothing misses."""
    nodes = Authority(folder(stage), "nodes")
    flags = sim_flags(nodes.sign("node", "DNS:db.example.com"), None, "--tls-only")
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, "--nat", "--proxy-protocol-port", PORT, *flags)
    settings = stage.file("proxy.toml", "[lanes]\nproxy_protocol_port = %d\n" % PORT)
    proxy = stage.proxy(sim.hosts[0], "--config", settings, "--tls-ca", nodes.ca, "--tls-server-name", "db.example.com")
    until("every shard has a lane", lambda: all(all(shards) for shards in connections(sim)), 60)
    total = sum(map(sum, connections(sim)))
    assert total == NODES * SHARDS + 1, "%d connections: some were opened in excess" % total
    nothing_misses(stage, sim, proxy, "tablets3", 3)
    found = {name: value for name, value in proxy.metrics().items() if "mismatch" in name}
    assert found and not any(found.values()), "connections came to other shards than their headers say: %s" % found


def forward(source, target):
    """Copies one direction of a connection until it ends."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Balancer:
    """A load balancer with one port that leads to one node; it keeps no source port."""

    def __init__(self, stage, host, target):
        self.listener = socket.create_server((host, 0))
        self.port, self.target, self.count = self.listener.getsockname()[1], target, 0
        threading.Thread(target=self.serve, daemon=True).start()
        stage.callback(self.listener.close)

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.count += 1
                node = socket.create_connection(self.target)
                for pair in ((client, node), (node, client)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()


@case(deadline=240, together=2)
def through_sim_python_by_a_private_link(stage):
    """The nodes are dialled where system.client_routes says; when that changes, the lanes follow."""
    link = "vpce-made-up"
    sim = stage.sim(NODES, SHARDS, TABLETS)
    here = stage.address(90)
    first, second = ([Balancer(stage, here, (host, 9042)) for host in sim.hosts] for _ in range(2))

    def point_to(balancers):
        for node, balancer in enumerate(balancers):
            sim.post("/sim/client-routes/set", connection_id=link, node=node, address=here, port=balancer.port)

    point_to(first)
    settings = stage.file("routes.toml", 'client_routes = ["%s"]\n' % link)
    proxy = stage.proxy("%s:%d" % (here, first[0].port), "--config", settings)
    until("every shard has a lane", lambda: all(all(shards) for shards in connections(sim)), 60)
    assert all(balancer.count >= SHARDS for balancer in first), [balancer.count for balancer in first]
    nothing_misses(stage, sim, proxy, "tablets3", 3)
    point_to(second)
    until("lanes follow the table", lambda: all(balancer.count >= SHARDS for balancer in second), 60)
    nothing_misses(stage, sim, proxy, "tablets1", 1)


@case(deadline=240, together=2)
def through_sim_python_by_a_private_link_with_tls(stage):
    """The ports for TLS of system.client_routes are dialled, and the nodes' certificates are checked behind them."""
    link = "vpce-made-up"
    nodes, stranger = (Authority(folder(stage), name) for name in ("nodes", "strangers"))
    sim = stage.sim(NODES, SHARDS, TABLETS, 1, *sim_flags(nodes.sign("node", "DNS:db.example.com")))
    here = stage.address(90)
    balancers = [Balancer(stage, here, (host, 9142)) for host in sim.hosts]
    for node, balancer in enumerate(balancers):
        sim.post("/sim/client-routes/set", connection_id=link, node=node, address=here, port=balancer.port)
    settings = stage.file("routes.toml", 'client_routes = ["%s"]\n' % link)
    flags = ["--config", settings, "--tls-server-name", "db.example.com"]
    contact = "%s:%d" % (here, balancers[0].port)
    proxy = stage.proxy(contact, *flags, "--tls-ca", nodes.ca)
    until("every shard has a lane", lambda: all(all(shards) for shards in connections(sim)), 60)
    assert all(balancer.count >= SHARDS for balancer in balancers), [balancer.count for balancer in balancers]
    nothing_misses(stage, sim, proxy, "tablets3", 3)

    doctor = stage.start([program(), "doctor", "-c", contact, *flags, "--tls-ca", stranger.ca], "doctor")
    assert doctor.wait(60) == 1, "a CA that signed no certificate here is trusted: %s" % doctor.lines
    assert any("no CA in tls.ca signed" in line for line in doctor.lines), doctor.lines
    fixes = [line for line in doctor.lines if "give the CA of the nodes as tls.ca" in line]
    assert fixes and all("-> fix" in line for line in fixes), "a fix stands beside its finding: %s" % doctor.lines


@case(deadline=240, together=2)
def through_sim_python_to_another_data_center(stage):
    """With no local node left, requests that may go to another data center do; they come home with the first node."""
    from cassandra import ConsistencyLevel
    from cassandra.query import SimpleStatement
    sim = stage.sim(5, 2, 8, 1, "--dc", "east,west")
    east, west = [0, 2, 4], [1, 3]
    settings = stage.file("failover.toml", "[failover]\nremote_nodes_max = 2\nafter_ms = 500\n")
    proxy = stage.proxy(sim.hosts[0], "--config", settings, "--data-center", "east")
    until("every local shard has a lane", lambda: all(all(connections(sim)[n]) for n in east), 60)
    assert not any(map(sum, (connections(sim)[n] for n in west))), "another data center was dialled ahead of need"
    with direct.session(proxy.host, consistency="LOCAL_QUORUM") as s:
        s.execute("CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'east': 1, 'west': 2}")
        s.execute("CREATE TABLE ks.t (k int PRIMARY KEY, v int)")
        s.execute("INSERT INTO ks.t (k, v) VALUES (1, 1)")
        read = [SimpleStatement("SELECT v FROM ks.t WHERE k = 1", consistency_level=level, is_idempotent=True)
                for level in (ConsistencyLevel.QUORUM, ConsistencyLevel.LOCAL_QUORUM)]
        for node in east:
            sim.post("/sim/nodes/%d/stop" % node)

        def answer(statement):
            try:
                return [tuple(row) for row in s.execute(statement)]
            except Exception as e:
                return e

        until("another data center answers", lambda: answer(read[0]) == [(1,)], 60)
        refused = answer(read[1])
        assert "Unavailable" in repr(refused), "LOCAL_QUORUM must not go there: %r" % refused
        sim.post("/sim/nodes/%d/start" % east[0])
        until("the first local node takes over", lambda: "shardlane reaches" not in repr(answer(read[1])), 60)
        until("the others are left", lambda: sum(sum(connections(sim)[n]) for n in west) <= 1, 60)
        for node in east[1:]:
            sim.post("/sim/nodes/%d/start" % node)
        until("home again", lambda: answer(read[1]) == [(1,)], 60)
