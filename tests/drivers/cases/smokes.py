"""Each driver's smoke, straight to a cluster and through the proxy: the logs are equal byte for byte."""
import contextlib
import difflib
import json
import os
import re

import compatibility
import direct
from matrix import DRIVERS, REAL, SIM
from stage import case, log

# What a program says when something is wrong with its cluster, whichever way it logs.
WARNING = re.compile(r"\b(?:WARN|WARNING|ERROR|CRITICAL)\b|\bgocql: ")
# What Cassandra itself sends drivers on the programs' USE, with ids that differ from run to run.
OF_THE_SERVER = ("`USE <keyspace>` with prepared statements",)
# What differs from run to run in a warning: addresses, ports, threads.
VARIES = re.compile(r"-(io|admin|worker|timer)-|[\d.:]+")
PLACES = {SIM: "sim", REAL: "cassandra"}


class Smoke:
    """One run of a driver's program: its lines, and what it warned of before the restart."""

    def __init__(self, stage, name, run, host, place, way):
        self.stage, self.driver = stage, DRIVERS[name]
        self.keyspace = "smoke_" + name
        dash = self.driver.dash
        center = "datacenter1" if place == SIM else "dc1"
        self.child = stage.driver(
            self.driver.install, *self.driver.words, dash + "host", host, dash + "keyspace", self.keyspace,
            dash + "data-center", center, *run.flags(dash), label=way)
        self.before = self.size()

    def size(self):
        return self.child.error_path.stat().st_size

    def finish(self, at_restart):
        """Its lines; `at_restart` is called when the program asks for a restart of whatever it speaks to."""
        while self.child.next_line(120, lambda line: line in ("@restart", "end")) == "@restart":
            with open(self.child.error_path, encoding="utf-8", errors="replace") as said:
                said.seek(self.before)
                self.warnings = [line.strip() for line in said if WARNING.search(line)]
            at_restart()
            self.child.tell()
        code = self.child.wait(30)
        lines = [line for line in self.child.lines if not line.startswith("@")]
        failed = [line for line in lines if line.startswith("FAILED")]
        assert not failed and code == 0, "%s: exit code %s %s %s" % (
            self.child.name, code, failed[:3], self.child.last_errors())
        return lines

    def unexpected(self, straight):
        """Warnings that neither the program explains nor the run straight to the cluster has."""
        known = {VARIES.sub("", line) for line in straight.warnings}
        explained = [*self.driver.quiet, *self.driver.warns, *OF_THE_SERVER]
        return [line for line in self.warnings
                if VARIES.sub("", line) not in known and not any(words in line for words in explained)]


def spoken_to_cassandra(stage, keyspace):
    """Protocol versions and compressions of the drivers that a real node has in one keyspace."""
    with direct.session(stage.cassandra_nodes[0], consistency="ONE") as s:
        rows = s.execute("SELECT keyspace_name, protocol_version, client_options FROM system_views.clients")
        found = [(row.protocol_version, (row.client_options or {}).get("COMPRESSION", "none"))
                 for row in rows if row.keyspace_name == keyspace]
    return sorted({version for version, _ in found}), sorted({compression for _, compression in found})


def spoken_to_proxy(proxy):
    """Protocol versions and compressions of the connections that the proxy agreed to."""
    counted = [name for name, count in proxy.metrics().items()
               if name.startswith("shardlane_clients_started_total{") and count]
    pairs = [dict(re.findall(r'(\w+)="([^"]*)"', name)) for name in counted]
    return sorted({int(p["version"]) for p in pairs}), sorted({p["compression"] for p in pairs})


def compare(stage, name, run, place, host):
    """Runs the program twice and compares; what goes into the table."""
    log("== %s %s at %s" % (name, run.flags("--"), place))
    spoken = {}
    if place == REAL:
        ask = lambda: spoken.update(direct=spoken_to_cassandra(stage, "smoke_" + name))
    else:
        ask = lambda: None
    way = "%s-%s-%s" % (name, run.version or "own", run.compression or "own")
    straight = Smoke(stage, name, run, host, place, way + "-direct")
    lines = straight.finish(ask)
    # A busy machine makes definitions late; drivers wait as long.
    os.environ.update(SHARDLANE_TIMEOUTS_REQUEST_MS="60000", SHARDLANE_TIMEOUTS_SCHEMA_AGREEMENT_MS="60000")
    listed = ["--compression-clients", "lz4,snappy"] if run.listed else []
    proxy = stage.proxy(host, *listed)

    def restart():
        spoken.update(through=spoken_to_proxy(proxy))
        proxy.restart()

    through = Smoke(stage, name, run, proxy.host, place, way + "-through")
    others = through.finish(restart)
    proxy.child.stop(20)
    difference = list(difflib.unified_diff(lines, others, "straight", "through", lineterm="", n=0))
    for line in difference:
        log(line[:300])
    assert not difference, "the logs differ: %s" % " | ".join(line[:120] for line in difference[2:6])
    unexpected = through.unexpected(straight)
    for line in unexpected:
        log("warning through:", line[:300])
    assert not unexpected, "%s warns through the proxy: %s" % (way, unexpected[0][:300])
    versions, compressions = spoken["through"]
    assert run.version is None or versions == [run.version], "%s: spoke protocol %s" % (way, versions)
    wanted = run.compression if run.compression else "none"
    assert wanted in compressions, "%s: spoke compression %s" % (way, compressions)
    return {"driver": name, "run": DRIVERS[name].runs.index(run), "place": place, "lines": len(lines),
            "direct": spoken.get("direct"), "through": [versions, compressions]}


def smokes(stage, name, place):
    compatibility.forget(name, PLACES[place])
    host = stage.cassandra_nodes[0] if place == REAL else stage.sim(3, 2, 8).hosts[0]
    runs = [run for run in DRIVERS[name].runs if place in run.where]
    rows = [compare(stage, name, run, place, host) for run in runs]
    if place == REAL:
        # Each change of the schema costs the nodes the more, the more there is.
        from cassandra import OperationTimedOut
        with contextlib.suppress(OperationTimedOut), direct.session(host, idle_heartbeat_interval=0) as s:
            s.execute("DROP KEYSPACE smoke_" + name)
    log(json.dumps(rows))
    compatibility.keep(name, PLACES[place], rows)


for _name, _driver in DRIVERS.items():
    case(deadline=600, drivers=(_driver.install,), together=3, name="smoke_sim_" + _name)(
        lambda stage, name=_name: smokes(stage, name, SIM))
# One after the other: drivers wait until all nodes have the same schema, which a neighbour's changes put off.
for _name, _driver in DRIVERS.items():
    if any(REAL in run.where for run in _driver.runs):
        case(deadline=600, needs=("cassandra",), drivers=(_driver.install,), name="smoke_" + _name)(
            lambda stage, name=_name: smokes(stage, name, REAL))


@case(deadline=60, last=True)
def the_table_of_compatibility_is_what_was_run(stage):
    """docs/compatibility.md says of each driver what its smokes found in this run."""
    compatibility.check()
