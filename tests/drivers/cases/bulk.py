"""Clients that ask for much and read nothing, next to one that asks for little: it must not wait for theirs."""
import contextlib
import socket
import struct
import time

import direct
from stage import case, log

from cases.bad_clients import exactly, started

HOGS = 20
IN_FLIGHT = 1024
SECONDS = 8
# What a loaded machine of two processors adds to any single read.
NOISE_S = 0.05


def send(s, stream, opcode, body):
    s.sendall(struct.pack(">BBhBI", 4, 0, stream, opcode, len(body)) + body)


def answer(s):
    """Opcode and body of the next frame."""
    *_, opcode, length = struct.unpack(">BBhBI", exactly(s, 9))
    return opcode, exactly(s, length)


def prepared(s, text):
    send(s, 1, 9, struct.pack(">I", len(text)) + text.encode())
    opcode, body = answer(s)
    assert opcode == 8, (opcode, body)
    length, = struct.unpack_from(">H", body, 4)
    return body[6:6 + length]


def execute(statement, stream, key):
    body = struct.pack(">H", len(statement)) + statement + struct.pack(">HBHii", 1, 1, 1, 4, key)
    return struct.pack(">BBhBI", 4, 0, stream, 10, len(body)) + body


def connected(stack, host):
    s = stack.enter_context(socket.create_connection((host, 9042), 30))
    s.settimeout(60)
    started(s)
    return s


def p99(host):
    """The 99th percentile of a small read's time, s, while others have asked for 64 KiB rows and read none."""
    with contextlib.ExitStack() as stack:
        quiet = connected(stack, host)
        small = prepared(quiet, "SELECT v FROM watched.ints WHERE k = ?")
        hogs = [connected(stack, host) for _ in range(HOGS)]
        large = [prepared(hog, "SELECT v FROM watched.blobs WHERE k = ?") for hog in hogs][0]
        burst = b"".join(execute(large, stream, stream % 64) for stream in range(IN_FLIGHT))
        for hog in hogs:
            hog.sendall(burst)
        times, until = [], time.monotonic() + SECONDS
        while time.monotonic() < until:
            began = time.monotonic()
            quiet.sendall(execute(small, 1, len(times) % 64))
            opcode, _ = answer(quiet)
            times.append(time.monotonic() - began)
            assert opcode == 8
            time.sleep(0.005)
        times.sort()
        return times[len(times) * 99 // 100], times[-1]


@case(deadline=180)
def bulk_that_is_not_read(stage):
    sim = stage.sim(1, 2)
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        direct.create_load_tables(s, "watched", 1)
        s.execute("CREATE TABLE watched.blobs (k int PRIMARY KEY, v blob)")
        insert = s.prepare("INSERT INTO watched.blobs (k, v) VALUES (?, ?)")
        for k in range(64):
            s.execute(insert, [k, bytes(1 << 16)])
    alone, alone_longest = p99(sim.hosts[0])
    through, through_longest = p99(proxy.host)
    log("direct: p99 %.3f s, longest %.3f s; through: p99 %.3f s, longest %.3f s" % (alone, alone_longest, through, through_longest))
    # Reads are few in the first second, when all of the bulk is on its way: the longest is one of them.
    assert through <= 2 * alone + NOISE_S, "%.3f s, direct %.3f s" % (through, alone)
    assert through_longest <= 2 * alone_longest + NOISE_S, "%.3f s, direct %.3f s" % (through_longest, alone_longest)
