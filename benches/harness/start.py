"""Time from the start of a process to the first answer, and to the first one that the shard of its row gave."""
import os
import socket
import struct
import time

from . import cell, table
from .process import Process
from .subjects import NODES, PORT, PROXY, SHARD_AWARE, SUBJECTS
from .workloads import SHARDED

STARTS = 20
START_SECONDS = 10
RETRY_SECONDS = 0.0002
HEADS = ["subject", "starts", "to the first answer, ms", "to the first answer of the row's shard, ms"]

STARTUP, READY, RESULT, PREPARE, EXECUTE = 1, 2, 8, 9, 10
LOCAL_QUORUM, VALUES, KIND_PREPARED = 6, 1, 4


def measure(a, subjects):
    body = []
    for subject in subjects:
        with cell.running(a, "direct", SHARDED) as (folder, _, _):
            command = SUBJECTS[subject][1](a.paths, folder, NODES, ())
            log, routes = os.path.join(folder, f"{subject}.log"), subject in SHARD_AWARE
            starts = [start(command, log, routes) for _ in range(STARTS)]
        first, routed = zip(*starts)
        body.append([subject, STARTS, table.spread(first, 1), table.spread(routed, 1) if routes else "-"])
        print(table.as_text(HEADS, body[-1:]).splitlines()[-1], flush=True)
    print("\n" + table.as_text(HEADS, body))
    with open(os.path.join(a.out, "start.md"), "w") as f:
        f.write(table.as_markdown(HEADS, body) + "\n")


def start(command, log, routes):
    """Milliseconds until a client that keeps knocking has its row, and until the row's shard has answered it."""
    hits = lambda: sum(n["shard_hit"] for n in cell.node_stats())
    before = hits()
    began = time.perf_counter()
    process = Process(command, log)
    try:
        with knock(process, began + START_SECONDS) as client:
            ask(client, STARTUP, struct.pack(">HH11sH5s", 1, 11, b"CQL_VERSION", 5, b"3.0.0"), READY)
            text = b"SELECT v FROM ks.t WHERE pk = ?"
            prepared = ask(client, PREPARE, struct.pack(">i", len(text)) + text, RESULT)
            kind, length = struct.unpack_from(">iH", prepared)
            assert kind == KIND_PREPARED
            identity = prepared[6:6 + length]
            times = []
            while not times or routes and hits() == before:
                ask(client, EXECUTE, struct.pack(">H", length) + identity
                    + struct.pack(">HBHiq", LOCAL_QUORUM, VALUES, 1, 8, len(times)), RESULT)
                times.append((time.perf_counter() - began) * 1e3)
    finally:
        process.stop()
    return times[0], times[-1]


def knock(process, end):
    while time.perf_counter() < end:
        try:
            client = socket.create_connection((PROXY, PORT), 1)
            client.settimeout(START_SECONDS)
            return client
        except OSError:
            process.check_alive()
            time.sleep(RETRY_SECONDS)
    raise RuntimeError(f"{PROXY}:{PORT} does not listen: {process.tail()}")


def ask(client, opcode, body, expected):
    """The body of the answer, which must be of one kind."""
    client.sendall(struct.pack(">BBhBI", 4, 0, 0, opcode, len(body)) + body)
    header = receive(client, 9)
    answer = receive(client, int.from_bytes(header[5:], "big"))
    if header[4] != expected:
        raise RuntimeError(f"opcode {opcode} was answered with {header[4]}: {answer!r}")
    return answer


def receive(client, count):
    data = b""
    while len(data) < count:
        part = client.recv(count - len(data))
        if not part:
            raise RuntimeError("the subject closed the connection")
        data += part
    return data
