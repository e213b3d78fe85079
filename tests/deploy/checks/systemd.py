"""The service of the Debian package under a real systemd, which is first process of namespaces of its own."""
import contextlib
import json
import shutil
import time

import tools
from booted import Machine
from checks import folder, package, test

SETTINGS = "/etc/shardlane/shardlane.toml"


@contextlib.contextmanager
def served(settings=""):
    """A machine with the package installed, a simulated cluster, and the service started; and the newer package."""
    old, new = package.packages()
    with folder() as path, Machine(path) as machine:
        for file in (old, new, tools.HERE / "load.py"):
            shutil.copy(file, machine.share)
        install(machine, old)
        machine.run("systemd-run", "--quiet", "--unit=sim", "/usr/bin/shardlane", "sim", "--address", "127.0.0.11", "--api",
                    "127.0.0.1:9999")
        until("the cluster listens", lambda: "ready" in machine.journal("sim"))
        machine.run("sh", "-c", "{ printf 'contact_points = [\"127.0.0.11\"]\n%s\n'; cat %s; } > /tmp/new; cat /tmp/new > %s" % (
            settings, SETTINGS, SETTINGS))
        machine.run("systemctl", "start", "shardlane")
        yield machine, new


def install(machine, path):
    machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-depends", "--install", "/mnt/%s" % path.rsplit("/", 1)[1])


def until(what, check, seconds=20):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "%s: not within %d s" % (what, seconds)
        time.sleep(0.1)


@contextlib.contextmanager
def load(machine, mode):
    """Load while the block runs; `saw` gets what the load saw."""
    saw = {}
    program = machine.start("python3", "/mnt/load.py", mode)
    try:
        assert program.stdout.readline() == "began\n", machine.journal()[-1500:]
        time.sleep(0.5)
        yield saw
        time.sleep(0.5)
        said, _ = program.communicate("stop\n", timeout=30)
        saw.update(json.loads(said))
    finally:
        program.kill()


def none_refused(saw, ends):
    """Whether all new clients found a listener while the process ended so many times: the one that is connected then fails."""
    return len(saw["failed"]) <= ends and not [f for f in saw["failed"] if "Refused" in f]


def is_active(machine, restarts):
    shown = machine.shown()
    return (shown["NRestarts"], shown["ActiveState"]) == (str(restarts), "active")


def stopped_well(machine):
    """Stops the service: it is asked to, and ends by itself."""
    machine.run("systemctl", "stop", "shardlane")
    shown = machine.shown()
    assert (shown["ActiveState"], shown["Result"]) == ("inactive", "success"), (shown["Result"], machine.journal()[-1500:])
    # Its own last word, and not systemd's.
    assert "cli::run: stopped\n" in machine.journal()[-900:], machine.journal()[-1500:]


@test(alone=True)
def systemd_starts_the_service_reloads_it_and_stops_it_gently():
    with served() as (machine, _):
        shown = machine.shown()
        # Ready means that clients are served: no load has failed, though it waits for nothing.
        with load(machine, "kept") as saw:
            pass
        assert saw["done"] and not saw["failed"], saw
        assert shown["Type"] == "notify" and shown["NFileDescriptorStore"] == "2", shown["NFileDescriptorStore"]
        machine.run("sh", "-c", "echo 'log.level = \"debug\"' >> %s" % SETTINGS)
        machine.run("systemctl", "reload", "shardlane")
        assert "log.level" in machine.journal()
        machine.run("sh", "-c", "echo 'lanes.pr = 1' >> %s" % SETTINGS)
        assert machine.call("systemctl", "reload", "shardlane").returncode, "faulty settings were accepted"
        assert "there is no setting `lanes.pr`" in machine.run("systemctl", "status", "shardlane")
        errors = machine.run("journalctl", "--no-pager", "-o", "cat", "-u", "shardlane", "-p", "err")
        assert "there is no setting `lanes.pr`" in errors and "INFO" not in errors, errors
        assert machine.shown()["MainPID"] == shown["MainPID"] != "0"
        machine.run("sed", "-i", "/lanes.pr/d", SETTINGS)
        for node in range(3):
            machine.run("curl", "-sf", "-X", "POST", "http://127.0.0.1:9999/sim/nodes/%d/strain?slow_ms=2000" % node)
        slow = machine.start("python3", "/mnt/load.py", "slow")
        assert [slow.stdout.readline() for _ in range(2)] == ["began\n", "asked\n"]
        stopped_well(machine)
        assert slow.communicate("", timeout=10)[0] == "null\n", "a request in flight was not answered"


@test(alone=True)
def systemd_keeps_the_listeners_over_a_restart_and_a_crash():
    with served() as (machine, _):
        with load(machine, "new") as saw:
            machine.run("systemctl", "restart", "shardlane")
        assert saw["done"] > 10 and none_refused(saw, 1), saw
        with load(machine, "new") as saw:
            for crash in range(1, 8):
                machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "shardlane")
                until("started again", lambda: is_active(machine, restarts=crash))
        assert none_refused(saw, 7), saw
        stopped_well(machine)


@test(alone=True)
def systemd_stops_what_an_upgrade_of_the_package_has_started_as_gently():
    with served() as (machine, new):
        old = machine.shown()["MainPID"]
        with load(machine, "kept") as saw:
            install(machine, new)
        assert saw["done"] > 100 and not saw["failed"], saw
        shown = machine.shown()
        assert shown["MainPID"] not in (old, "0") and shown["NRestarts"] == "0", machine.journal()[-1500:]
        assert "not our child" not in machine.journal(), machine.journal()[-1500:]
        with load(machine, "new") as saw:
            machine.run("systemctl", "restart", "shardlane")
        assert none_refused(saw, 1), saw
        before = machine.shown()["MainPID"]
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=USR2", "shardlane")
        until("the next process", lambda: machine.shown()["MainPID"] != before)
        stopped_well(machine)
        # A running service ends with its package.
        machine.run("systemctl", "start", "shardlane")
        machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--purge", "shardlane")
        assert machine.shown()["LoadState"] in ("not-found", "masked") and machine.shown()["MainPID"] == "0", machine.shown()
        assert machine.call("pgrep", "-u", "shardlane").returncode and machine.call("getent", "passwd", "shardlane").returncode
