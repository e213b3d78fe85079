"""A restarted proxy begins with what the one before had learned; a file of no use is ignored, with a warning."""
import os
import signal
import tempfile
from pathlib import Path

import direct
from stage import case, log, misses, until

KEYSPACE, TABLETS, KEYS = "kept", 64, 400
ASKED = "shardlane_prepared_asked_total"


class Scene:
    """A simulated cluster whose tablets are learned by misses alone, and a proxy that keeps what it learns."""

    def __init__(self, stage, interval_s):
        os.environ["SHARDLANE_TABLETS_PREFETCH"] = "false"
        os.environ["SHARDLANE_STATE_INTERVAL_S"] = str(interval_s)
        self.stage = stage
        self.file = Path(stage.enter_context(tempfile.TemporaryDirectory()), "state")
        self.sim = stage.sim(3, 4, TABLETS)
        with direct.session(self.sim.hosts[0]) as s:
            direct.create_load_tables(s, KEYSPACE, 2)
        self.proxy = stage.proxy(self.sim.hosts[0], "--state-file", self.file)

    def restored(self, what):
        return self.proxy.metrics()['shardlane_state_restored{what="%s"}' % what]

    def learn(self):
        """Prepares, and runs until no request misses; returns the prepared statements."""
        with direct.session(self.proxy.host) as s:
            statements = [s.prepare("INSERT INTO %s.ints (k, v) VALUES (?, ?)" % KEYSPACE),
                          s.prepare("SELECT v FROM %s.ints WHERE k = ?" % KEYSPACE)]

            def is_known():
                self.sim.reset()
                self.work(s, statements)
                return misses(self.sim.requests(KEYSPACE)["ints"]) == 0
            until("no request misses", is_known, 20)
        return statements

    def work(self, session, statements):
        insert, read = statements
        for k in range(KEYS):
            session.execute(insert, (k, k + 1))
            assert [tuple(row) for row in session.execute(read, (k,))] == [(k + 1,)]

    def use_old_ids(self, statements):
        """Misses of EXECUTEs alone, by statements that were prepared before the proxy began."""
        self.sim.reset()
        with direct.session(self.proxy.host) as s:
            host_id = s.execute("SELECT host_id FROM system.local").one().host_id
            self.work(s, statements)
        arrived, metrics = self.sim.requests(KEYSPACE)["ints"], self.proxy.metrics()
        unknown = metrics['shardlane_routing_total{reason="unknown_statement"}'] + metrics[ASKED]
        log("arrived", arrived, "unknown statements", unknown)
        return misses(arrived), unknown, host_id

    def host_id(self):
        with direct.session(self.proxy.host) as s:
            return s.execute("SELECT host_id FROM system.local").one().host_id


def restarts(stage, interval_s, end):
    scene = Scene(stage, interval_s)
    statements, before = scene.learn(), scene.host_id()
    known = scene.proxy.metrics()["shardlane_tablet_map_entries"]
    assert known > TABLETS / 2, known
    end(scene)
    assert scene.file.stat().st_mode & 0o777 == 0o600
    scene.proxy.launch()
    assert scene.restored("statements") == 2, scene.restored("statements")
    assert scene.restored("tablets") == known, scene.restored("tablets")
    missed, unknown, after = scene.use_old_ids(statements)
    assert (missed, unknown) == (0, 0), (missed, unknown)
    assert before == after, "drivers would take it for another node"


@case()
def a_stopped_proxy_leaves_what_it_learned_to_the_next(stage):
    restarts(stage, 3600, lambda scene: scene.proxy.child.stop(30))


@case()
def a_killed_proxy_leaves_what_it_wrote_last_to_the_next(stage):
    def kill(scene):
        written = lambda: scene.proxy.metrics()["shardlane_state_writes_total"]  # noqa: E731
        before = written()
        until("the file is written twice more", lambda: written() >= before + 2)
        scene.proxy.child.process.send_signal(signal.SIGKILL)
        scene.proxy.child.process.wait(10)
    restarts(stage, 1, kill)


@case(deadline=240)
def a_state_of_no_use_is_ignored_with_a_warning(stage):
    scene = Scene(stage, 3600)
    statements = scene.learn()
    scene.proxy.child.stop(30)
    good = scene.file.read_bytes()
    middle = len(good) // 2
    bent = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:]
    useless = [("is damaged", bent), ("ends too early", good[:middle]), ("version 2", good[:8] + b"\0\0\0\2" + good[12:]),
               ("ends too early", b""), ("something follows", good + b"\0"),
               ("longer than it may be", good[:8] + b"\0" * (64 << 20))]
    for reason, content in useless:
        scene.file.write_bytes(content)
        ignored(scene, statements, reason)
        assert scene.file.read_bytes()[:8] == good[:8], "it is replaced"
    scene.file.write_bytes(b"contact_points = []")
    ignored(scene, statements, "no state of shardlane", "cannot be written")
    assert scene.file.read_bytes() == b"contact_points = []", "a file of another program stays"
    scene.file.unlink()
    scene.file.mkdir()
    ignored(scene, statements, "not a regular file", "cannot be written")
    scene.file.rmdir()
    # Another cluster at the same addresses, of the same name.
    scene.file.write_bytes(good)
    scene.sim.child.stop()
    other = stage.sim(3, 4, TABLETS, 1, "--seed", 77)
    with direct.session(other.hosts[0]) as s:
        direct.create_load_tables(s, KEYSPACE, 2)
    scene.sim = other
    ignored(scene, None, "none of its nodes is in the cluster")


def ignored(scene, statements, *warnings):
    scene.proxy.launch()
    seen = scene.proxy.child.error_path.read_text(encoding="utf-8")
    assert scene.proxy.metrics()["shardlane_state_read_failures_total"] == 1, warnings
    assert scene.restored("tablets") == scene.restored("statements") == 0
    if statements:
        scene.use_old_ids(statements)
    else:
        scene.learn()
    scene.proxy.child.stop(30)
    seen = scene.proxy.child.error_path.read_text(encoding="utf-8")[len(seen) - 4000 if len(seen) > 4000 else 0:]
    for warning in warnings:
        assert warning in seen, "%s: %s" % (warning, seen[-1500:])
    log("ignored", warnings)


@case()
def a_restarted_proxy_stays_in_the_data_center_where_clients_saw_it(stage):
    """Although its only contact point is in another one by now. Without its file it goes there."""
    sim = stage.sim(4, 2, 16, 1, "--dc", "east,west")
    file = Path(stage.enter_context(tempfile.TemporaryDirectory()), "state")
    proxy = stage.proxy(sim.hosts[0], "--state-file", file)

    def place():
        with direct.session(proxy.host) as s:
            seen = s.execute("SELECT data_center FROM system.local").one().data_center
        # One connection alone may be that which watches the cluster.
        return seen, {number for number, node in enumerate(sim.nodes()) if sum(node["connections"]) > 1}
    assert place() == ("east", {0, 2}), place()
    proxy.child.stop(30)
    proxy.words = [sim.hosts[1] if word == sim.hosts[0] else word for word in proxy.words]
    proxy.launch()
    assert place() == ("east", {0, 2}), place()
    proxy.child.stop(30)
    file.unlink()
    proxy.launch()
    assert place() == ("west", {1, 3}), place()
