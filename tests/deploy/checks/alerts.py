"""The alert rules: they parse, they fire when they should, and each has its paragraph in the run book."""
import json
import re

import yaml

import tools
from checks import DEPLOY, ROOT, documents, folder, metrics, read, refused, run, test

RULES = DEPLOY / "prometheus/alerts.yaml"
TARGET = {"job": "orders", "instance": "10.9.9.9:9380"}
# What expressions may name beside our own: of the scraper, of the process collector, of kube-state-metrics.
OTHERS = {"up", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total",
          "process_start_time_seconds", "kube_pod_container_resource_limits"}
# Labels that a scraper adds, or that belong to the metrics of others.
TARGET_LABELS = {"job", "instance", "namespace", "pod", "container", "resource", "le"}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def named(expression):
    """Names of metrics in a PromQL expression."""
    expression = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:shardlane|process|kube)_\w+|\bup\b(?=\{)", expression))


def unknown(expression):
    """What an expression names that does not exist: metrics, and labels of ours."""
    problems = []
    for name in named(expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if name not in metrics() and name not in OTHERS and not (
                base in metrics() and metrics()[base].kind == "histogram"):
            problems.append("there is no metric %s" % name)
    for name, matchers in re.findall(r"\b(shardlane_\w+)\{([^}]*)\}", expression):
        metric = metrics().get(re.sub(r"_bucket$", "", name)) or metrics().get(name)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", matchers):
            if metric and label not in metric.labels and label not in TARGET_LABELS:
                problems.append("%s has no label %s" % (name, label))
    return problems


@test
def every_metric_and_label_of_the_alerts_exists():
    problems = [(rule["alert"], unknown(rule["expr"])) for rule in rules()]
    assert not any(found for _, found in problems), [p for p in problems if p[1]]


@test
def a_metric_or_label_that_does_not_exist_is_noticed():
    assert unknown("rate(shardlane_no_such_total[5m]) > 0") == ["there is no metric shardlane_no_such_total"]
    assert unknown('shardlane_lanes{stat="open"}') == ["shardlane_lanes has no label stat"]
    assert not unknown('sum by (le) (rate(shardlane_proxy_overhead_seconds_bucket{le="1", job="a"}[5m]))')


@test
def promtool_accepts_the_rules():
    run(tools.prometheus("promtool"), "check", "rules", RULES)


@test
def every_alert_has_a_severity_and_its_section_in_the_run_book():
    headings = re.findall(r"^#+ (.+)$", read("docs/operations.md"), re.MULTILINE)
    for rule in rules():
        name = rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert rule["annotations"]["summary"] and rule["annotations"]["description"].endswith("."), name
        assert rule["annotations"]["runbook_url"] == "docs/operations.md#" + name.lower(), name
        assert headings.count(name) == 1, "docs/operations.md has no section %s" % name
    known = {rule["alert"] for rule in rules()}
    extra = {h for h in headings if re.fullmatch(r"Shardlane\w+", h)} - known
    assert not extra, "docs/operations.md has sections for alerts that do not exist: %s" % extra


def series(samples):
    """Series of a case in promtool's form, with the labels that a scraper adds."""
    made = []
    for text, values in samples.items():
        name, inside = re.fullmatch(r"(\w+)(?:\{(.*)\})?", text).groups()
        labels = dict(TARGET, **dict(re.findall(r'(\w+)="([^"]*)"', inside or "")))
        inside = ", ".join("%s=%s" % (key, json.dumps(value)) for key, value in labels.items())
        made.append({"series": "%s{%s}" % (name, inside), "values": values})
    return made


def samples(values):
    """How many minutes a series of promtool covers."""
    counts = (re.search(r"x(\d+)$", word) for word in values.split())
    # `0x5` is six samples, as the first one counts; `_x5` is five.
    return sum(1 if c is None else int(c.group(1)) + (not word.startswith("_")) for c, word in zip(counts, values.split()))


def resolved(case, expected):
    """A test in which the alert fires, and has ended after as many minutes of what keeps it quiet."""
    before, after = case["fires"], dict(case["fires"], **next(iter(case["quiet"].values())))
    length, at = max(samples(values) for values in before.values()), int(case["at"])
    both = {}
    for name in after:
        first = before.get(name, "_x%d" % length)
        both[name] = " ".join(filter(None, [first, "_x%d" % (length - samples(first)) if samples(first) < length else "", after[name]]))
    return {"name": "%s: it resolves" % case["alert"], "interval": "1m", "input_series": series(both),
            "alert_rule_test": [{"alertname": case["alert"], "eval_time": "%dm" % at, "exp_alerts": [expected]},
                                {"alertname": case["alert"], "exp_alerts": [],
                                 "eval_time": "%dm" % (length + int(case.get("resolves", at)))}]}


def unit_tests():
    """The file for promtool, and the names of the alerts that it makes fire."""
    by_name = {rule["alert"]: rule for rule in rules()}
    groups, fired = [], set()
    # All scalars are texts: `0x40` means forty times 0 here, not 64.
    for case in yaml.load((tools.HERE / "alert_cases.yaml").read_text(), yaml.BaseLoader):
        rule = by_name[case["alert"]]
        fired.add(case["alert"])
        labels = dict({} if case.get("target") == "false" else TARGET, **rule["labels"], **case.get("labels", {}))
        expected = {"exp_labels": labels, "exp_annotations": dict(rule["annotations"], summary=case["summary"])}
        for name, overrides in [("it fires", {}), *case["quiet"].items()]:
            groups.append({
                "name": "%s: %s" % (case["alert"], name), "interval": "1m",
                "input_series": series(dict(case["fires"], **overrides)),
                "alert_rule_test": [{"alertname": case["alert"], "eval_time": case["at"] + "m",
                                     "exp_alerts": [] if overrides else [expected]}]})
        groups.append(resolved(case, expected))
    text = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": groups}
    return text, fired


@test
def every_alert_fires_when_it_should_and_resolves():
    text, fired = unit_tests()
    missing = {rule["alert"] for rule in rules()} - fired
    assert not missing, "alerts without a case in alert_cases.yaml: %s" % missing
    with folder() as path:
        (path / "tests.yaml").write_text(yaml.safe_dump(text))
        run(tools.prometheus("promtool"), "test", "rules", path / "tests.yaml")


@test
def a_wrong_threshold_would_be_noticed():
    with folder() as path:
        (path / "alerts.yaml").write_text(RULES.read_text().replace("> 0.1\n", "> 0.9\n", 1))
        text = unit_tests()[0]
        text["rule_files"] = [str(path / "alerts.yaml")]
        text["tests"] = [t for t in text["tests"] if t["name"].startswith("ShardlaneLowHitRate")]
        (path / "tests.yaml").write_text(yaml.safe_dump(text))
        said = refused(tools.prometheus("promtool"), "test", "rules", path / "tests.yaml")
        assert "ShardlaneLowHitRate" in said, said


@test
def an_alert_that_never_ends_would_be_noticed():
    with folder() as path:
        (path / "alerts.yaml").write_text(RULES.read_text().replace("[1h]) > 0", "[1d]) > 0"))
        text = unit_tests()[0]
        text["rule_files"] = [str(path / "alerts.yaml")]
        text["tests"] = [t for t in text["tests"] if t["name"] == "ShardlaneProtocolBroken: it resolves"]
        (path / "tests.yaml").write_text(yaml.safe_dump(text))
        said = refused(tools.prometheus("promtool"), "test", "rules", path / "tests.yaml")
        assert "ShardlaneProtocolBroken" in said, said


@test
def the_rule_for_the_operator_and_the_charts_have_the_same_groups():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rule, = documents(read("deploy/kubernetes/prometheusrule.yaml"))
    again = "is not what deploy/prometheus/alerts.yaml says: run tests/deploy/copies.py"
    assert rule["spec"]["groups"] == groups, "deploy/kubernetes/prometheusrule.yaml " + again
    for chart in ("shardlane", "shardlane-injector"):
        assert (ROOT / "deploy/helm" / chart / "files/alerts.yaml").read_text() == RULES.read_text(), "the chart's " + again
