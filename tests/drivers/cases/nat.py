"""Something between the proxy and the cluster rewrites source ports: PROXY protocol headers name the shards instead."""
from cases.through_sim import NODES, SHARDS, TABLETS, nothing_misses
from stage import case, until

PORT = 29042


def connections(sim):
    """How many connections each shard of each node has, the one that watches the cluster among them."""
    return [n["connections"] for n in sim.nodes()]


@case(deadline=180)
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
