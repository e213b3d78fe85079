"""Compression towards the nodes and towards clients, each by its own setting."""
import socket
import struct
import tempfile
from pathlib import Path

import direct
from stage import case, until
from cases import bad_clients
from cases.through_sim import nothing_misses

TEXT = "значение " * 200


def offered(proxy):
    """What SUPPORTED lists under COMPRESSION."""
    with socket.create_connection((proxy.host, proxy.port), 10) as s:
        s.sendall(bad_clients.OPTIONS)
        _, _, body = bad_clients.frame(s)
    at, found = 2, {}

    def short():
        nonlocal at
        at += 2
        return struct.unpack_from(">H", body, at - 2)[0]

    def text():
        nonlocal at
        length = short()
        at += length
        return body[at - length:at].decode()
    for _ in range(struct.unpack_from(">H", body)[0]):
        key = text()
        found[key] = [text() for _ in range(short())]
    return found["COMPRESSION"]


def lanes(sim):
    """STARTUP's options of each connection that shardlane holds to the first node."""
    with direct.session(sim.hosts[0]) as s:
        rows = list(s.execute("SELECT driver_name, client_options FROM system.clients"))
        return [dict(row.client_options) for row in rows if row.driver_name == "shardlane"]


def rows_are_whole(proxy, **session):
    with direct.session(proxy.host, **session) as s:
        s.execute("DROP KEYSPACE IF EXISTS packed")
        s.execute(direct.CREATE % ("packed", 3, ""))
        s.execute("CREATE TABLE packed.t (k int PRIMARY KEY, v text)")
        insert, read = (s.prepare(text) for text in ("INSERT INTO packed.t (k, v) VALUES (?, ?)",
                                                     "SELECT v FROM packed.t WHERE k = ?"))
        for k in range(50):
            s.execute(insert, [k, TEXT[k:]])
        got = [s.execute(read, [k]).one().v for k in range(50)]
        assert got == [TEXT[k:] for k in range(50)], "values differ"
        return s.cluster.control_connection._connection


@case(deadline=400)
def compression_of_lanes_and_clients(stage):
    sim = stage.sim()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "packed.toml")
        file.write_text('[compression]\nlanes = "lz4"\nclients = ["snappy", "lz4"]\n')
        packed = stage.proxy(sim.hosts[0], "--config", file)
        # The table is the node's own: one lane to each of its four shards.
        until("every lane of a node speaks lz4",
              lambda: [o.get("COMPRESSION") for o in lanes(sim)].count("lz4") == 4, 30)
        assert offered(packed) == ["snappy", "lz4"]
        rows_are_whole(packed, compression=False)
        rows_are_whole(packed)
        nothing_misses(stage, sim, packed, "tablets3", 3)


@case(deadline=120)
def compression_is_neither_told_nor_used_by_default(stage):
    sim = stage.sim()
    proxy = stage.proxy(sim.hosts[0])
    assert offered(proxy) == []
    assert not any("COMPRESSION" in o for o in lanes(sim)), "a lane compresses"
    rows_are_whole(proxy)
