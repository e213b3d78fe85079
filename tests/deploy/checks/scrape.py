"""Prometheus itself, Debian's, scrapes a running shardlane; alerts fire and resolve for real, in front of a simulated cluster."""
import contextlib
import json
import re
import subprocess
import threading
import time
import urllib.parse

import yaml

import tools
from checks import folder, metrics, read, test

# Minutes of the rules are seconds here: every window becomes this one, every `for` a second.
WINDOW = "12s"


class Prometheus:
    """A running Prometheus with the scrape configuration and the rules of deploy/prometheus."""

    def __init__(self, stage, path, target, alerts=None, **more):
        self.address = stage.address(90) + ":9090"
        settings = yaml.safe_load(read("deploy/prometheus/scrape.yaml"))
        job, = settings["scrape_configs"]
        assert job["static_configs"] == [{"targets": ["127.0.0.1:9380"]}], job
        job.update(more, static_configs=[{"targets": [target]}])
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (path / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        rules = read("deploy/prometheus/alerts.yaml")
        (path / "alerts.yaml").write_text(hurried(rules) if alerts else rules)
        self.child = stage.start([
            tools.prometheus("prometheus"), "--config.file", path / "prometheus.yaml", "--storage.tsdb.path", path / "data",
            "--web.listen-address", self.address, "--log.level", "warn"], "prometheus")

    def get(self, path, **query):
        from stage import fetch
        status, body = fetch("http://%s/api/v1/%s?%s" % (self.address, path, urllib.parse.urlencode(query)))
        assert status == 200, (path, status, body[:300])
        return json.loads(body)["data"]

    def query(self, expression):
        """Values by label set."""
        return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in self.get("query", query=expression)["result"]}

    def value(self, expression):
        return sum(self.query(expression).values())

    def is_up(self):
        assert self.child.process.poll() is None, self.child.last_errors()
        try:
            return self.value("up") == 1
        except (OSError, AssertionError):
            # It listens before it answers.
            return False

    def firing(self):
        return {a["labels"]["alertname"]: a for a in self.get("alerts")["alerts"] if a["state"] == "firing"}


def hurried(rules):
    """The rules in a hurry: the same expressions with short windows."""
    rules = re.sub(r"\[6h:1m\]", "[2m:1s]", rules)
    rules = re.sub(r"\[\d+[mh]\]", "[%s]" % WINDOW, rules)
    return re.sub(r"for: \d+[mh]", "for: 1s", rules)


class Load:
    """Reads of prepared statements with random keys, some hundred a second, until stopped."""

    def __init__(self, stage, host):
        from cassandra.cluster import Cluster
        from cassandra.policies import RoundRobinPolicy
        self.cluster = Cluster([host], port=9042, load_balancing_policy=RoundRobinPolicy(), protocol_version=4)
        stage.callback(self.stop)
        self.session = self.cluster.connect()
        self.session.execute("CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'NetworkTopologyStrategy', "
                             "'replication_factor': 1}")
        self.session.execute("CREATE TABLE IF NOT EXISTS shop.carts (id int PRIMARY KEY, what text)")
        self.read = self.session.prepare("SELECT what FROM shop.carts WHERE id = ?")
        self.going, self.done, self.failed = True, 0, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.going:
            for key in range(1000):
                if not self.going:
                    return
                try:
                    self.session.execute(self.read, [key], timeout=5)
                    self.done += 1
                except Exception:
                    self.failed += 1
                time.sleep(0.002)

    def stop(self):
        self.going = False
        if hasattr(self, "thread"):
            self.thread.join(10)
        self.cluster.shutdown()


@contextlib.contextmanager
def staged():
    from stage import Stage
    with folder() as path, Stage() as stage:
        yield stage, path


@test(alone=True)
def prometheus_scrapes_what_the_page_shows():
    from stage import fetch, until
    with staged() as (stage, path):
        sim = stage.sim(3, 2, 16)
        proxy = stage.proxy(sim.hosts[0])
        load = Load(stage, proxy.host)
        prometheus = Prometheus(stage, path, proxy.admin.removeprefix("http://"))
        until("Prometheus scrapes shardlane", prometheus.is_up, 30)
        until("some requests were sent", lambda: load.done > 300, 30)
        load.stop()
        ratio = ("sum(shardlane_tablet_hits_total) / (sum(shardlane_tablet_hits_total) + sum(shardlane_tablet_feedback_total))")
        until("the last scrape has all of it", lambda: prometheus.value("shardlane_client_connections") == 0, 15)
        page = proxy.metrics()
        for name in ("shardlane_tablet_hits_total", "shardlane_tablet_feedback_total", "shardlane_requests_received_total",
                     "shardlane_routing_total", "shardlane_request_duration_seconds_count", "shardlane_lanes"):
            shown = sum(v for k, v in page.items() if re.match(name + r"($|\{)", k))
            assert prometheus.value(name) == shown, (name, prometheus.value(name), shown)
        assert 0.5 < prometheus.value(ratio) <= 1, prometheus.value(ratio)
        # What every scrape should have; the rest depends on TLS.
        names = set(prometheus.get("label/__name__/values"))
        absent = {n for n, m in metrics().items() if n not in names and n + "_bucket" not in names and "tls" not in n
                  and "_webhook_" not in n}
        assert not absent, "metrics that Prometheus does not have: %s" % absent
        kinds = prometheus.get("metadata")
        assert "shardlane_retries" in kinds, "Prometheus asks for OpenMetrics, in which a counter's family has no _total"
        for name, metric in metrics().items():
            family = name.removesuffix("_total")
            if family in kinds:
                assert kinds[family][0]["type"] == metric.kind, (name, kinds[family])
        # Values that the rules compare labels with: a page shows all of them, if only with 0.
        text = fetch(proxy.admin + "/metrics")[1]
        for name, label, value in set(re.findall(r'(shardlane_\w+)\{(?:[^}]*, )?(\w+)(?:=|!=|=~|!~)"([^"]+)"',
                                                 read("deploy/prometheus/alerts.yaml"))):
            for word in value.split("|"):
                if label not in ("verdict", "side") and "tls" not in name and "_webhook_" not in name:
                    assert re.search(r'%s\{[^}]*%s="%s"' % (name, label, re.escape(word)), text), (name, label, word)


@test(alone=True)
def promtool_finds_nothing_to_say_about_the_page():
    from certificates import Authority
    from stage import fetch, until
    promtool = tools.prometheus("promtool")
    with staged() as (stage, path):
        sim = stage.sim(2, 2, 16)
        pair = Authority(path, "clients").sign("proxy", "IP:" + stage.address(100))
        proxy = stage.proxy(sim.hosts[0], "--bind-tls-cert", pair[0], "--bind-tls-key", pair[1])
        page = until("TLS is on the page", lambda: (t := fetch(proxy.admin + "/metrics")[1]) and "expiry_timestamp" in t and t, 10)
        done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not (done.stdout + done.stderr).strip(), done.stdout + done.stderr
        bad = subprocess.run([promtool, "check", "metrics"], input=page.replace("shardlane_retries_total", "shardlane_retries"),
                             capture_output=True, text=True, timeout=60)
        assert bad.returncode and "shardlane_retries" in bad.stderr + bad.stdout, "a counter without _total passed"


def fires_and_resolves(stage, prometheus, name, mend):
    """Waits for an alert, checks what it says, mends its cause, and waits until it is gone."""
    from stage import until
    alert = until("%s fires" % name, lambda: prometheus.firing().get(name), 60)
    assert alert["annotations"]["runbook_url"].endswith("#" + name.lower()) and alert["annotations"]["summary"], alert
    mend()
    until("%s resolves" % name, lambda: name not in prometheus.firing(), 90)
    return alert


@test(alone=True)
def a_strict_reader_takes_the_openmetrics_and_finds_what_the_text_has():
    import urllib.request

    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    with staged() as (stage, _):
        sim = stage.sim(2, 2, 16)
        proxy = stage.proxy(sim.hosts[0])
        Load(stage, proxy.host).stop()
        wish = urllib.request.Request(proxy.admin + "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        with urllib.request.urlopen(wish, timeout=10) as answer:
            kind, page = answer.headers["Content-Type"], answer.read().decode()
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind
        families = {f.name: f for f in text_string_to_metric_families(page)}
        for name, metric in metrics().items():
            family = families.get(name.removesuffix("_total"))
            assert not family or family.type == metric.kind, (name, family)
        read_names = {s.name for f in families.values() for s in f.samples}
        text_names = set(re.findall(r"^([a-z_]+)", urllib.request.urlopen(proxy.admin + "/metrics", timeout=10).read().decode(), re.MULTILINE))
        assert read_names == text_names, read_names ^ text_names
        for bad in (page.replace("# EOF\n", ""), page.replace("shardlane_retries_total", "shardlane_retries")):
            try:
                list(text_string_to_metric_families(bad))
                raise AssertionError("a bad page passed")
            except ValueError:
                pass


@test(alone=True)
def the_alert_for_a_lost_node_fires_and_resolves():
    from stage import until
    with staged() as (stage, path):
        sim = stage.sim(3, 2, 16)
        proxy = stage.proxy(sim.hosts[0])
        prometheus = Prometheus(stage, path, proxy.admin.removeprefix("http://"), alerts=True)
        until("Prometheus scrapes shardlane", prometheus.is_up, 30)
        assert not prometheus.firing(), prometheus.firing()
        sim.post("/sim/nodes/2/kill")
        alert = fires_and_resolves(stage, prometheus, "ShardlaneNodeUnreachable", lambda: sim.post("/sim/nodes/2/start"))
        assert alert["labels"]["node"] == sim.hosts[2], alert
        until("nothing else fires", lambda: not prometheus.firing(), 60)


@test(alone=True)
def the_alert_for_address_translation_fires_and_resolves():
    from stage import until
    with staged() as (stage, path):
        sim = stage.sim(2, 4, 16, 1, "--nat")
        proxy = stage.proxy(sim.hosts[0])
        prometheus = Prometheus(stage, path, proxy.admin.removeprefix("http://"), alerts=True)
        until("Prometheus scrapes shardlane", prometheus.is_up, 30)

        def mend():
            """The NAT is taken away: the same cluster at the same addresses without it."""
            proxy.child.stop(30)
            sim.child.stop()
            stage.sim(2, 4, 16)
            proxy.launch()
        alert = fires_and_resolves(stage, prometheus, "ShardlaneSourcePortsRewritten", mend)
        assert alert["labels"]["node"] in sim.hosts, alert


@test(alone=True)
def the_alert_for_a_low_hit_rate_fires_and_resolves():
    from stage import until
    with staged() as (stage, path):
        sim = stage.sim(2, 8, 16)
        per_node = stage.file("node.toml", '[lanes]\nper = "node"\n')
        proxy = stage.proxy(sim.hosts[0], "--config", per_node)
        prometheus = Prometheus(stage, path, proxy.admin.removeprefix("http://"), alerts=True)
        until("Prometheus scrapes shardlane", prometheus.is_up, 30)
        load = Load(stage, proxy.host)

        def mend():
            """A connection to every shard again; the driver reconnects by itself."""
            per_node.write_text('[lanes]\nper = "shard"\n')
            proxy.restart()
        alert = fires_and_resolves(stage, prometheus, "ShardlaneLowHitRate", mend)
        assert re.match(r"\d+(\.\d+)?% of requests", alert["annotations"]["summary"]), alert
        before = load.done
        until("the load goes on", lambda: load.done > before + 100, 30)
        share = "sum(rate(shardlane_tablet_hits_total[5s])) / (sum(rate(shardlane_tablet_hits_total[5s])) + sum(rate(shardlane_tablet_feedback_total[5s])))"
        until("nothing misses any more", lambda: prometheus.value(share) > 0.99, 30)
