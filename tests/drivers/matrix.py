"""The matrix of drivers: what is run in which protocol version and compression, and where.

`DRIVERS` is read by the cases, which run it, and by compatibility.py, which shows what came of it.
"""
import json
import re
import tomllib
import xml.etree.ElementTree
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIM, REAL = "simulated ScyllaDB", "Apache Cassandra"


@dataclass(frozen=True)
class Run:
    """One way to run a program; `None` leaves it to the driver."""
    version: int = None
    compression: str = None
    # Whether the proxy has to list the compression: this driver asks for listed ones only.
    listed: bool = False
    where: tuple = (SIM,)
    # Sections that this run leaves out, and options beside.
    more: tuple = ()
    remark: str = ""

    def flags(self, dash):
        words = []
        for name, value in (("version", self.version), ("compression", self.compression)):
            words += [dash + name, str(value)] if value is not None else []
        return words


@dataclass(frozen=True)
class Driver:
    """A driver, the program that uses it, and where its version is pinned."""
    title: str
    install: str
    pin: tuple
    words: tuple = ()
    dash: str = "--"
    runs: tuple = ()
    remark: str = ""
    # Warnings that have nothing to do with the proxy, and why.
    quiet: dict = field(default_factory=dict)
    # Warnings of what a driver sees through shardlane, and what they mean; they are in the table.
    warns: dict = field(default_factory=dict)

    def version(self):
        """The version that the lock file pins."""
        name, package = self.pin
        path = HERE / name
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".txt":
            return re.search(r"^%s==(\S+)" % re.escape(package), text, re.MULTILINE).group(1)
        if path.suffix == ".json":
            return json.loads(text)["packages"]["node_modules/" + package]["version"]
        if path.suffix == ".mod":
            return re.search(r"%s v(\S+)" % re.escape(package), text).group(1)
        if path.suffix == ".lock":
            return next(p["version"] for p in tomllib.loads(text)["package"] if p["name"] == package)
        for dependency in xml.etree.ElementTree.fromstring(text).iter("dependency"):
            if dependency.findtext("artifactId") == package:
                return dependency.findtext("version")
        raise AssertionError("%s pins no %s" % (path, package))


BOTH = (SIM, REAL)
# The programs prepare a wrong statement on purpose, and say USE.
PYTHON_QUIET = {
    "Downgrading core protocol version": "version 5 and those after it are not spoken; the driver steps down",
    "Error preparing query": "a wrong statement, on purpose",
}
NO_COMPRESSION = {"No available compression types supported on both ends":
                  "logs once a connection that shardlane lists no compression, and goes on without"}
PYTHON_SMOKE = ("tests/drivers/python/smoke.py",)
V3_UNSET = "version 3 has no unset values"

DRIVERS = {
    "python": Driver(
        "Python cassandra-driver", "python-cassandra", ("python/cassandra.txt", "cassandra-driver"), PYTHON_SMOKE,
        quiet=PYTHON_QUIET, warns=NO_COMPRESSION, runs=(
            Run(where=BOTH), Run(version=3, where=BOTH, remark=V3_UNSET),
            Run(version=4, compression="lz4", listed=True, remark="the driver refuses to start where lz4 is not listed"),
            Run(version=4, compression="snappy", listed=True, remark="the driver refuses to start where snappy is not listed"),
            Run(version=3, compression="lz4", listed=True, remark=V3_UNSET))),
    "python_2016": Driver(
        "Python cassandra-driver of 2016", "python-2016", ("python/2016.txt", "cassandra-driver"), PYTHON_SMOKE,
        quiet=PYTHON_QUIET,
        remark="not on Cassandra: this driver reads the schema tables of 2.2 from every server but 3.x, and 5.0 has none; "
               "no compression: the lz4 and snappy modules of its time no longer build",
        runs=(Run(), Run(version=3, remark=V3_UNSET))),
    "python_scylla": Driver(
        "Python scylla-driver", "python-scylla", ("python/scylla.txt", "scylla-driver"), PYTHON_SMOKE,
        quiet=PYTHON_QUIET, warns=NO_COMPRESSION, remark="sees one plain node behind shardlane, and uses it",
        runs=(Run(where=BOTH), Run(version=3, remark=V3_UNSET), Run(version=4, compression="lz4", listed=True))),
    "node": Driver(
        "Node.js cassandra-driver", "node", ("node/package-lock.json", "cassandra-driver"),
        ("tests/drivers/node/smoke.js",), remark="the driver knows no compression",
        runs=(Run(where=BOTH), Run(version=3, where=BOTH, remark=V3_UNSET))),
    "gocql": Driver(
        "gocql/gocql", "gocql", ("gocql/go.mod", "github.com/gocql/gocql"), dash="-",
        runs=(Run(where=BOTH), Run(version=3, where=BOTH, remark=V3_UNSET),
              Run(version=4, compression="snappy", listed=True, remark="lz4 is a module apart"))),
    "gocql_apache": Driver(
        "apache/cassandra-gocql-driver", "gocql-v2", ("gocql/v2.mod", "github.com/apache/cassandra-gocql-driver/v2"),
        dash="-", runs=(
            Run(where=BOTH), Run(version=3, remark=V3_UNSET), Run(version=4, compression="lz4", listed=True),
            Run(version=4, compression="snappy", listed=True))),
    "gocql_scylla": Driver(
        "scylladb/gocql", "gocql-scylla", ("gocql/scylla.mod", "github.com/scylladb/gocql"), dash="-",
        remark="sees one plain node behind shardlane, and uses it",
        runs=(Run(where=BOTH), Run(version=3, remark=V3_UNSET), Run(version=4, compression="snappy", listed=True))),
    "rust_scylla": Driver(
        "Rust scylla", "rust", ("rust/Cargo.lock", "scylla"),
        remark="sees one plain node behind shardlane, and uses it; protocol 4 is the only one it has",
        runs=(Run(where=BOTH), Run(compression="lz4", listed=True), Run(compression="snappy", listed=True))),
    "cdrs": Driver(
        "Rust cdrs-tokio", "rust-cdrs", ("rust/Cargo.lock", "cdrs-tokio"),
        remark="has no metadata of tables: the schema event itself is looked at",
        runs=(Run(where=BOTH), Run(version=3, remark=V3_UNSET), Run(compression="lz4"), Run(compression="snappy"))),
    "java3": Driver(
        "Java driver 3", "java3", ("java3/pom.xml", "cassandra-driver-core"),
        quiet={"Re-preparing already prepared query": "the program prepares one text twice",
               "but this keyspace is unknown in our metadata":
                   "it drops what the run before left, and each table's event comes when the keyspace is gone already"},
        warns={"could not achieve replication factor": "warns once a keyspace that the one node it sees cannot hold 3 replicas"},
        runs=(Run(where=BOTH), Run(version=3, remark=V3_UNSET), Run(compression="lz4", listed=True), Run(compression="snappy", listed=True))),
    "java4": Driver(
        "Java driver 4", "java4", ("java4/pom.xml", "java-driver-core"),
        quiet={"Detected a keyspace change at runtime": "the program says USE, which this driver dislikes"},
        warns={"could not achieve replication factor": "warns once a keyspace that the one node it sees cannot hold 3 replicas"},
        runs=(Run(where=BOTH), Run(version=3, remark=V3_UNSET), Run(compression="lz4", listed=True), Run(compression="snappy", listed=True))),
    "acsylla": Driver(
        "C++ driver in acsylla", "python-acsylla", ("python/acsylla.txt", "acsylla"),
        ("tests/drivers/python/acsylla_smoke.py",), remark="the driver knows no compression, and speaks 4 when 3 is asked for",
        warns={"Could not retrieve sharding info": "logs once a connection that it goes on without shards, as it should"},
        runs=(Run(where=BOTH),)),
    "cqlsh": Driver(
        "cqlsh", "python-cqlsh", ("python/cqlsh.txt", "cqlsh"), ("tests/drivers/python/cqlsh_smoke.py",),
        remark="has a script of its own: values, errors, COPY, tracing, DESCRIBE",
        runs=(Run(where=BOTH),)),
}
