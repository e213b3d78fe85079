#!/usr/bin/env python3
"""Makes docs/compatibility.md of what the smokes of the drivers left in target/compatibility.

  compatibility.py            prints the page
  compatibility.py --write    writes it
"""
import argparse
import json
import sys

import install
import stage
from matrix import DRIVERS, REAL, SIM

RESULTS = install.TARGET / "compatibility"
PAGE = stage.ROOT / "docs/compatibility.md"
HEAD = """\
# Drivers that are known to work

This page is generated from a test run (`tests/drivers/compatibility.py --write` after `make drivers`); a test fails when
it says anything that was not found. Each driver is unmodified, from its registry, at the version that the tests pin.

Each row is a script that runs twice, straight to the cluster and through shardlane, and prints what the driver gives it:
simple statements, prepared ones with each common type, values by name, null and unset, logged and unlogged batches,
paging, light-weight transactions applied and not, `USE` and default keyspaces, errors of each kind by their exception,
a value of 2 MB, 500 requests in flight, definitions used at once, changes that another session makes to the schema, and
a restart of shardlane. The drivers route by token where they can. *Equal* means that both logs are the same byte for byte,
and that the driver warned of nothing through shardlane that the script itself does not explain.

- *own choice*: nothing was asked for; direct is what the driver agreed to with Apache Cassandra %s, where that shows.
- *protocol* and *compression* behind the arrow are what shardlane says of the connections that it got.
- *listed*: shardlane runs with `compression.clients = ["lz4", "snappy"]`. By default it lists no compression, and a driver
  that can do without then does.
- What drivers raise for each kind of error, direct and through shardlane: [error-classes.md](error-classes.md).

Apache Cassandra speaks protocol 5, shardlane speaks 4 and 3, and drivers step down by themselves unless 5 is pinned. What is lost
then, tried against Apache Cassandra (cases `protocol_v5_python` and `protocol_v5_other_drivers`); the cure for a keyspace is to write
`keyspace.table`:

| driver | a keyspace for one statement | `now_in_seconds` | pinned to version 5 |
|---|---|---|---|
| Python | `prepare(keyspace=)` raises NoHostAvailable, since the driver itself refuses it before version 5; `SimpleStatement(keyspace=)` is left out without a word, so that the text runs in the keyspace of the session, or is refused for want of one | the driver has no call for it | NoHostAvailable |
| Java driver 4 | `setKeyspace` raises IllegalArgumentException: "Can't use per-request keyspace with protocol V4"; preparing such a statement the same | `setNowInSeconds` raises IllegalArgumentException: "Can't use nowInSeconds with protocol V4" | AllNodesFailedException [UnsupportedProtocolVersionException] |
| apache/cassandra-gocql-driver | `SetKeyspace` is left out without a word: as in Python | `WithNowInSeconds` is left out without a word: the server's own time counts | "unsupported protocol version 5" |
| gocql/gocql | no call for it | no call for it | refused, and so by Cassandra itself, whose version 5 this driver does not speak |
| Node.js | nothing is lost: the driver speaks 4 at most, and leaves `keyspace` out with Cassandra, too | no call for it | TypeError by the driver, with Cassandra, too |

| driver | version | protocol | compression | direct = through | remarks |
|---|---|---|---|---|---|
"""


def path(name, place):
    return RESULTS / ("%s.%s.json" % (name, place))


def forget(name, place):
    path(name, place).unlink(missing_ok=True)


def keep(name, place, rows):
    RESULTS.mkdir(parents=True, exist_ok=True)
    path(name, place).write_text(json.dumps(rows))


def results():
    """What was run: (driver, number of the run, place) to its row."""
    found = {}
    for file in sorted(RESULTS.glob("*.json")):
        for row in json.loads(file.read_text()):
            if row["driver"] in DRIVERS and row["run"] < len(DRIVERS[row["driver"]].runs):
                found[row["driver"], row["run"], row["place"]] = row
    return found


def cell(wanted, row, which):
    """What was asked for, and what was spoken with Cassandra directly and with shardlane."""
    words = lambda values: " and ".join(map(str, sorted(values, key=str)))
    if wanted is not None:
        return words(row["through"][which])
    direct = "%s direct → " % words(row["direct"][which]) if row["direct"] and row["direct"][which] else ""
    return "own choice: %s%s" % (direct, words(row["through"][which]))


def line(name, number, place, found):
    """One row of the table, or None when it was not run."""
    driver = DRIVERS[name]
    run, row = driver.runs[number], found.get((name, number, place))
    if row is None:
        return None
    equal = "equal, %d lines, %s" % (row["lines"], place)
    warns = list(driver.warns.values()) if number == 0 else []
    remarks = [driver.remark if number == 0 else "", *warns, run.remark, "listed" if run.listed else "",
               "" if REAL in run.where or (number == 0 and driver.remark) else "on the simulated cluster only, to save time"]
    return "| %s | %s | %s | %s | %s | %s |" % (
        driver.title, driver.version(), cell(run.version, row, 0), cell(run.compression, row, 1), equal,
        "; ".join(filter(None, remarks)) or "none")


def lines(found):
    return {(name, number, place): line(name, number, place, found)
            for name, driver in DRIVERS.items() for number, run in enumerate(driver.runs) for place in run.where}


def cassandra_version():
    text = stage.LAB.read_text(encoding="utf-8")
    return text.split('DEFAULT_VERSION = "')[1].split('"')[0]


def page(found):
    return HEAD % cassandra_version() + "".join(text + "\n" for text in lines(found).values() if text)


def is_absent(driver):
    """Whether a driver cannot be had on this machine."""
    try:
        install.EVERYTHING[driver]()
    except install.Missing:
        return True
    return False


def check():
    """Fails when the page says what was not found, or lacks what was; what cannot run here is not judged."""
    found = results()
    every = lines(found)
    written = PAGE.read_text(encoding="utf-8")
    head = HEAD % cassandra_version()
    assert written.startswith(head), "its introduction is not the generated one, run tests/drivers/compatibility.py --write"
    rows = written[len(head):].splitlines()
    missing = [key for key, text in every.items() if text is None]
    unsure = {DRIVERS[name].title for name, _, _ in missing}
    stale = [row for row in rows if row not in every.values() and row.split(" | ")[0][2:] not in unsure]
    assert not stale, "docs/compatibility.md says what was not found: %s" % stale[0]
    absent = [text for text in every.values() if text and text not in rows]
    assert not absent, "%d rows are not on the page, run tests/drivers/compatibility.py --write: %s" % (
        len(absent), " ".join(absent))
    told = lambda keys: ", ".join("%s (%d) on %s" % key for key in keys)
    lost = [key for key in missing if not is_absent(DRIVERS[key[0]].install)]
    assert not lost, "%d rows were not found, though their drivers are here: %s" % (len(lost), told(lost))
    if missing:
        raise stage.Skip("these drivers cannot be installed here: %s" % told(missing))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--write", action="store_true")
    args = p.parse_args()
    found = results()
    missing = [key for key, text in lines(found).items() if text is None]
    if args.write:
        PAGE.write_text(page(found), encoding="utf-8")
    else:
        print(page(found), end="")
    for key in missing:
        print("not run, so not on the page: %s (%d) on %s" % key, file=sys.stderr)


if __name__ == "__main__":
    main()
