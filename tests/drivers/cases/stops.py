"""The proxy's own process is stopped and goes on: what came meanwhile is read before anything is given up."""
import contextlib
import os
import signal
import time

import direct
from stage import case, log

from cases.bulk import answer, connected, execute, prepared

REQUESTS = 160
STOPPED_S = 4
TIMEOUT_MS = 1000


@case(deadline=90)
def stopped_proxy_reads_before_it_gives_up(stage):
    """Answers of 64 KiB lie in the sockets of a process that was stopped for longer than timeouts.request_ms."""
    os.environ["SHARDLANE_TIMEOUTS_REQUEST_MS"] = str(TIMEOUT_MS)
    os.environ["SHARDLANE_LIMITS_CLIENT_ANSWER_BYTES_MAX"] = str(1 << 30)
    sim = stage.sim(1, 1, 64, 1, "--delay-ms", "250")
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        direct.create_load_tables(s, "watched", 1)
        s.execute("CREATE TABLE watched.blobs (k int PRIMARY KEY, v blob)")
        insert = s.prepare("INSERT INTO watched.blobs (k, v) VALUES (?, ?)")
        for future in [s.execute_async(insert, [k, bytes(1 << 16)]) for k in range(64)]:
            future.result()
    with contextlib.ExitStack() as stack:
        client = connected(stack, proxy.host)
        large = prepared(client, "SELECT v FROM watched.blobs WHERE k = ?")
        client.sendall(b"".join(execute(large, stream, stream % 64) for stream in range(REQUESTS)))
        # The requests are with the node by now, and its answers on the way a little later.
        time.sleep(0.1)
        proxy.child.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(STOPPED_S)
        finally:
            proxy.child.process.send_signal(signal.SIGCONT)
        opcodes = [answer(client)[0] for _ in range(REQUESTS)]
    log("%d of %d answered after a stop of %d s" % (opcodes.count(8), REQUESTS, STOPPED_S))
    assert opcodes.count(8) == REQUESTS, "%d ERRORs" % opcodes.count(0)
