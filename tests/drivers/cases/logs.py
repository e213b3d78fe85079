"""Who reads the log may be stuck or gone: the proxy serves on."""
import contextlib
import fcntl
import os
import subprocess

import direct
from stage import case, fetch, log, program, until

PIPE_BYTES = 4096


@contextlib.contextmanager
def proxy(stage, sim, errors):
    """A proxy that logs all there is to `errors`."""
    host = stage.address(100)
    words = [program(), "run", "-c", sim.hosts[0], "--bind", host + ":9042", "--admin", host + ":9380"]
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                             env=dict(os.environ, SHARDLANE_LOG_LEVEL="debug"))
    try:
        def is_ready():
            assert child.poll() is None, "it ended with %s" % child.returncode
            with contextlib.suppress(OSError):
                return fetch("http://%s:9380/readyz" % host)[0] == 200
        until("the proxy is ready", is_ready, 30)
        yield host
        assert child.poll() is None, "it ended with %s" % child.returncode
        child.terminate()
        assert child.wait(30) == 0, "exit code %s" % child.returncode
    finally:
        child.kill()
        child.wait(10)


def churn(sim, host):
    """Requests that are answered while much is logged: every lane is lost and opened, again and again."""
    with direct.session(host) as session:
        for _ in range(8):
            sim.post("/sim/nodes/0/stop")
            sim.post("/sim/nodes/0/start")
            for _ in range(20):
                session.execute("SELECT key FROM system.local")


@case(deadline=120)
def the_log_has_no_reader_that_keeps_up(stage):
    """A pipe of 4 KiB that nobody reads: after it is full, everything goes on, and SIGTERM still ends the process."""
    sim = stage.sim(nodes=1, shards=8)
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with proxy(stage, sim, write) as host:
        os.close(write)
        churn(sim, host)
        waiting = fcntl.fcntl(read, fcntl.F_GETPIPE_SZ)
        os.set_blocking(read, False)
        said = os.read(read, 1 << 20)
        log("%d bytes lay in the pipe of %d" % (len(said), waiting))
        assert len(said) > PIPE_BYTES // 2, "the pipe was not full"
        os.set_blocking(read, True)
    os.close(read)


@case(deadline=120)
def the_reader_of_the_log_is_gone(stage):
    """A pipe whose reader ended, and a device without room: nothing but the log is lost."""
    sim = stage.sim(nodes=1, shards=8)
    read, write = os.pipe()
    with proxy(stage, sim, write) as host:
        os.close(write)
        os.close(read)
        churn(sim, host)
    with open("/dev/full", "wb") as full, proxy(stage, sim, full) as host:
        churn(sim, host)
