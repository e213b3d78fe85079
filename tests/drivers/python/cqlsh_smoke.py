"""What a person does with cqlsh, as lines that do not change from run to run.

The lines of a run straight to the cluster and of a run through the proxy have to be equal byte for
byte. Lines that start with `@` speak to the caller.
"""
import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCHEMA = """
DROP KEYSPACE IF EXISTS {ks};
CREATE KEYSPACE {ks} WITH replication = {{'class': 'NetworkTopologyStrategy', '{dc}': {rf}}};
USE {ks};
CREATE TABLE types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, g timestamp, h inet,
  i list<int>, j map<text, int>, l set<text>, m decimal, n varint, o smallint);
CREATE TABLE rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c));
CREATE TABLE ids (k uuid PRIMARY KEY, v int);
CREATE TABLE numbers (k int PRIMARY KEY, v text);
CREATE TABLE copied (k int PRIMARY KEY, v text);
DESCRIBE TABLES;
"""
VALUES = """
CONSISTENCY QUORUM;
INSERT INTO ids (k, v) VALUES (6f1c2f0e-7d50-4a57-9b7c-000000000001, 7);
SELECT k, v FROM ids WHERE k = 6f1c2f0e-7d50-4a57-9b7c-000000000001;
INSERT INTO types (k, a, b, c, d, e, f, g, h, i, j, l, m, n, o) VALUES (1, 'ärger 日本語 🦀', 0x00ff,
  6f1c2f0e-7d50-4a57-9b7c-000000000002, -1099511627776, 0.25, true, '2020-01-02 03:04:05+0000', '10.0.0.1', [1, 2, 3],
  {'one': 1, 'two': 2}, {'x', 'y'}, 1.125, 1180591620717411303424, -7);
SELECT * FROM types WHERE k = 1;
INSERT INTO types (k, a, d) VALUES (2, 'kept', 5);
INSERT INTO types (k, d) VALUES (2, null);
SELECT k, a, d FROM types WHERE k = 2;
SELECT k, a, d FROM types WHERE k = 3;
BEGIN BATCH
  INSERT INTO rows (p, q, c, v) VALUES ('logged', 1, 0, 'zero');
  INSERT INTO rows (p, q, c, v) VALUES ('logged', 1, 1, 'one');
APPLY BATCH;
BEGIN UNLOGGED BATCH
  INSERT INTO rows (p, q, c, v) VALUES ('logged', 1, 2, 'two');
  DELETE FROM rows WHERE p = 'logged' AND q = 1 AND c = 0;
APPLY BATCH;
SELECT c, v FROM rows WHERE p = 'logged' AND q = 1;
INSERT INTO ids (k, v) VALUES (6f1c2f0e-7d50-4a57-9b7c-000000000050, 1) IF NOT EXISTS;
INSERT INTO ids (k, v) VALUES (6f1c2f0e-7d50-4a57-9b7c-000000000050, 2) IF NOT EXISTS;
UPDATE ids SET v = 3 WHERE k = 6f1c2f0e-7d50-4a57-9b7c-000000000050 IF v = 1;
UPDATE ids SET v = 4 WHERE k = 6f1c2f0e-7d50-4a57-9b7c-000000000050 IF v = 1;
CREATE TABLE fresh (k int PRIMARY KEY, v text);
INSERT INTO fresh (k, v) VALUES (1, 'at once');
SELECT k, v FROM fresh WHERE k = 1;
ALTER TABLE fresh ADD extra int;
INSERT INTO fresh (k, v, extra) VALUES (1, 'altered', 11);
SELECT k, v, extra FROM fresh WHERE k = 1;
"""
ERRORS = """
SELEKT 1;
SELECT * FROM nowhere;
SELECT nothing FROM ids;
CREATE TABLE ids (k int PRIMARY KEY);
SELECT * FROM no_such_keyspace.t;
SELECT * FROM rows WHERE p = 'x';
USE no_such_keyspace;
SELECT v FROM ids WHERE k = 6f1c2f0e-7d50-4a57-9b7c-000000000001;
"""
PAGES = "PAGING 100;\nSELECT count(*) FROM copied;\nSELECT k, v FROM copied WHERE k IN (0, 1, 999);\n"
TRACE = "CONSISTENCY ONE;\nTRACING ON;\nSELECT v FROM numbers WHERE k = 1;\nTRACING OFF;\n"


def say(*words):
    print(*words, flush=True)


class Shell:
    def __init__(self, args):
        self.args = args
        self.command = [str(Path(sys.executable).parent / "cqlsh"), args.host, str(args.port), "--no-color",
                        "--request-timeout=60", "--connect-timeout=10", "--encoding=utf-8"]
        if args.version:
            self.command.append("--protocol-version=%d" % args.version)

    def run(self, text, keyspace=True):
        """What the shell says to a script: its output, then its errors. The paths in them are left out."""
        with tempfile.NamedTemporaryFile("w", suffix=".cql", encoding="utf-8") as script:
            script.write(text)
            script.flush()
            words = self.command + (["-k", self.args.keyspace] if keyspace else []) + ["-f", script.name]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  encoding="utf-8", timeout=110)
            return done.returncode, done.stdout, done.stderr.replace(script.name, "script")

    def show(self, name, text, keyspace=True):
        code, out, errors = self.run(text, keyspace)
        for line in out.splitlines() + errors.splitlines():
            if line.strip() and "was built against" not in line:
                say("%s: %s" % (name, line.rstrip()))
        say(name + ": exit code", code)
        return code


def copy(shell, folder):
    source, back = Path(folder, "in.csv"), Path(folder, "out.csv")
    source.write_text("".join("%d,value %d\n" % (k, k) for k in range(1000)), encoding="utf-8")
    for text in ("COPY numbers (k, v) FROM '%s';" % source, "COPY numbers (k, v) TO '%s';" % back,
                 "COPY copied (k, v) FROM '%s';" % back):
        code, out, errors = shell.run(text)
        rows = re.findall(r"^\d+ rows (?:imported from|exported to) \d+ files", out, re.MULTILINE)
        say("copy:", code, rows, errors.strip())
    same = sorted(source.read_text().splitlines()) == sorted(line.strip() for line in back.read_text().splitlines())
    say("copy: what went in came out", same)
    shell.show("copied", PAGES)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--host", required=True)
    p.add_argument("--port", type=int, default=9042)
    p.add_argument("--keyspace", default="smoke_cqlsh")
    p.add_argument("--data-center", default="dc1")
    p.add_argument("--rf", type=int, default=3)
    p.add_argument("--version", type=int)
    p.add_argument("--skip", default="")
    args = p.parse_args()
    shell = Shell(args)
    shell.show("schema", SCHEMA.format(ks=args.keyspace, dc=args.data_center, rf=args.rf), keyspace=False)
    shell.show("values", VALUES)
    shell.show("errors", ERRORS)
    with tempfile.TemporaryDirectory() as folder:
        copy(shell, folder)
    if "tracing" not in args.skip:
        code, out, _ = shell.run(TRACE)
        say("tracing:", code, "Tracing session:" in out, "Request complete" in out)
    say("@restart")
    sys.stdin.readline()
    deadline = time.monotonic() + 60
    while True:
        code, out, errors = shell.run("SELECT v FROM ids WHERE k = 6f1c2f0e-7d50-4a57-9b7c-000000000001;")
        if code == 0 or time.monotonic() > deadline:
            say("reconnect: after", out.split(), errors if code else "")
            break
        say("@waiting", errors.strip().replace("\n", " "))
    say("end")
    sys.exit(0)


if __name__ == "__main__":
    main()
