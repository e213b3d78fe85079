"""The dashboard: every metric and label exists, every query parses, and no panel lies over another."""
import json
import re
import subprocess
import sys

import yaml

import tools
from checks import DEPLOY, folder, metrics, read, run, test
from checks.alerts import named, unknown

FILE = DEPLOY / "grafana/shardlane.json"
# What Grafana puts in their place.
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*"}


def board():
    return json.loads(FILE.read_text())


def panels():
    return [p for p in board()["panels"] if p["type"] != "row"]


def queries():
    """Each query, with what Grafana makes of its variables, and whose it is."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"])
    for annotation in board()["annotations"]["list"]:
        yield annotation["name"], filled(annotation["expr"])


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


@test
def every_metric_and_label_of_the_dashboard_exists():
    problems = [(title, unknown(expression)) for title, expression in queries() if unknown(expression)]
    assert not problems, problems
    assert unknown("sum(rate(shardlane_no_such_total[5m]))"), "an unknown metric passed"


@test
def the_dashboard_shows_every_metric():
    """But for those that only say what is compared with something else."""
    shown = {name.removesuffix("_bucket") for _, expression in queries() for name in named(expression)}
    missing = set(metrics()) - shown - {"shardlane_build_info", "shardlane_nodes", "shardlane_credentials",
                                        "shardlane_clients_opened_total", "shardlane_tablet_stale_total",
                                        "shardlane_prepared_cache_entries"}
    assert not missing, "metrics without a panel: %s" % sorted(missing)


@test
def every_query_parses():
    rules = [{"record": "query:%d" % i, "expr": expression} for i, (_, expression) in enumerate(queries())]
    with folder() as path:
        (path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        run(tools.prometheus("promtool"), "check", "rules", path / "queries.yaml")


# Parts whose whole is another metric by what the two count.
PARTS = {"shardlane_prepared_cache_reprepares_total": "shardlane_requests_received_total",
         "process_open_fds": "process_max_fds"}


def outside(expression):
    """What a share counts in its part and not in its whole; an expression that is no share is no part of anything."""
    part, slash, whole = expression.partition(" / ")
    if not slash or " / " in whole:
        return {expression}
    return {name for name in named(part) if not {name, PARTS.get(name)} & named(whole)}


@test
def each_share_counts_its_part_within_its_whole():
    shares = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]
              if panel["fieldConfig"]["defaults"]["unit"] == "percentunit"]
    assert len(shares) > 3, shares
    problems = [(title, outside(expression)) for title, expression in shares if outside(expression)]
    assert not problems, problems
    assert outside("sum (rate(shardlane_tablet_hits_total[5m])) / sum (rate(shardlane_tablet_feedback_total[5m]))"), \
        "hits as a share of misses passed"
    assert outside("sum (rate(shardlane_tablet_hits_total[5m]))"), "a number that is no share passed"


@test
def hits_and_misses_count_statements_by_text_as_well():
    shown = [(panel["title"], " ".join(target["expr"] for target in panel["targets"])) for panel in panels()]
    for page in ("README.md", "docs/migrating.md"):
        shown += [(page, text) for text in re.split(r"^ *```.*$", read(page), flags=re.MULTILINE)[1::2]]
    counted = 0
    for where, text in shown:
        names = set(re.findall(r"shardlane_tablet_(?:hits|feedback)_total", text))
        counted += len(names)
        assert all(name.replace("tablet", "text_tablet", 1) in text for name in names), where
        # Without any request of one of the two kinds its metric is not there, and a sum with it is nothing.
        assert len(names) < 2 or text.count("or vector(0)") >= text.count("_total"), where
    assert counted >= 9, counted


@test
def panels_have_titles_of_their_own_and_do_not_overlap():
    taken = {}
    for panel in board()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, "%s lies over %s" % (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
    titles = [p["title"] for p in board()["panels"]]
    assert len(set(titles)) == len(titles) and len({p["id"] for p in board()["panels"]}) == len(titles)


@test
def legends_name_labels_that_the_query_keeps():
    for panel in panels():
        for target in panel["targets"]:
            kept = re.search(r"^sum by \(([^)]*)\)", target["expr"])
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                if kept:
                    assert label in kept.group(1).split(", "), (panel["title"], label)
                else:
                    assert not target["expr"].startswith("sum ("), (panel["title"], label)


@test
def the_dashboard_is_what_its_program_writes():
    made = subprocess.run([sys.executable, "-c", "import json, make; print(json.dumps(make.dashboard()))"],
                          cwd=FILE.parent, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(made) == board(), "run deploy/grafana/make.py and tests/deploy/copies.py"
