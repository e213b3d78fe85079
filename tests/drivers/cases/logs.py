"""Who reads the log may be stuck or gone: the proxy serves on."""
import contextlib
import fcntl
import os
import struct
import subprocess
import termios

import direct
from stage import case, fetch, log, program, until

PIPE_BYTES = 4096
# No line of these is longer: a pipe without room for one is full.
LINE_BYTES = 400


def is_ready(host):
    with contextlib.suppress(OSError):
        return fetch("http://%s:9380/readyz" % host)[0] == 200


@contextlib.contextmanager
def proxy(stage, sim, errors):
    """A proxy that logs all there is to `errors`."""
    host = stage.address(100)
    words = [program(), "run", "-c", sim.hosts[0], "--bind", host + ":9042", "--admin", host + ":9380"]
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                             env=dict(os.environ, SHARDLANE_LOG_LEVEL="debug"))
    try:
        until("the proxy is ready", lambda: is_ready(host), 30)
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
    until("there is a lane again", lambda: is_ready(host), 30)


@case(deadline=120)
def the_log_has_no_reader_that_keeps_up(stage):
    """A pipe of 4 KiB that is not read: after it is full, everything goes on, and SIGTERM still ends the process."""
    sim = stage.sim(nodes=1, shards=8)
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with proxy(stage, sim, write) as host:
        os.close(write)

        def is_full():
            churn(sim, host)
            waiting = struct.unpack("i", fcntl.ioctl(read, termios.FIONREAD, b"1234"))[0]
            log("%d bytes lie in the pipe of %d" % (waiting, PIPE_BYTES))
            return waiting > PIPE_BYTES - LINE_BYTES
        until("the pipe is full", is_full, 60)
        churn(sim, host)
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
