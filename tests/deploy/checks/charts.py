"""The Helm charts: lint, their own tests, valid objects for every version of Kubernetes, and clear refusals."""
import contextlib
import copy
import functools
import json
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import yaml

import tools
from checks import DEPLOY, documents, read, refused, run, test
from checks.kubernetes import examine, faults, refusal, settings_of, shardlanes

NEWEST = "1.37.0"


@functools.lru_cache
def copied():
    folder = tools.FOLDER / "charts"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DEPLOY / "helm", folder / "helm")
    for name in ("shardlane", "example"):
        run(tools.helm(), "dependency", "build", folder / "helm" / name)
    return folder / "helm"


def charts():
    """A copy of the charts with their dependency, which `helm dependency build` puts there."""
    with tools.LOCKS["charts"]:
        return copied()


def words(chart, *more):
    return [tools.helm(), "template", "cql", charts() / chart, "--namespace", "data", "--kube-version", NEWEST, *more]


def rendered(chart, *more):
    return documents(run(*words(chart, *more)))


def with_values(values):
    """Arguments that give values as a file; a file's numbers keep their type."""
    file = tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=charts().parent, delete=False)
    with file:
        yaml.safe_dump(values, file)
    return ["-f", file.name]


def ci_values(name):
    return DEPLOY / "helm/shardlane/ci" / (name + "-values.yaml")


@test
def the_charts_pass_the_lint():
    for name in ("daemonset", "deployment"):
        run(tools.helm(), "lint", "--strict", "--kube-version", NEWEST, charts() / "shardlane", "-f", ci_values(name))
    run(tools.helm(), "lint", "--strict", "--kube-version", NEWEST, charts() / "example")
    run(tools.helm(), "lint", "--strict", "--kube-version", NEWEST, charts() / "shardlane-sidecar", *with_values({"contactPoints": ["a"]}))


@test
def the_charts_own_tests_pass():
    said = run(tools.helm("helm-unittest"), "--strict", charts() / "shardlane")
    assert re.search(r"Tests:\s+\d+ passed, \d+ total", said), said


@test
def manifests_of_the_charts_are_valid_and_restricted():
    for chart, more in [("example", []), *(("shardlane", ["-f", ci_values(n)]) for n in ("daemonset", "deployment"))]:
        objects = rendered(chart, *more)
        # `helm test`'s pod is not shardlane's container.
        assert not examine(objects), (chart, more, examine(objects))


@test
def everything_can_be_turned_on():
    kinds = {o["kind"] for o in rendered("shardlane", "-f", ci_values("deployment"))}
    assert kinds == {"ConfigMap", "Deployment", "NetworkPolicy", "Pod", "PodDisruptionBudget", "PodMonitor", "PrometheusRule",
                     "Service", "ServiceAccount"}, kinds


@test
def the_settings_that_the_charts_make_pass_the_check():
    for chart, more in [("example", []), *(("shardlane", ["-f", ci_values(n)]) for n in ("daemonset", "deployment"))]:
        settings, = settings_of(rendered(chart, *more))
        assert not refusal(settings), "%s\n%s" % (refusal(settings), settings)
    socket = {"shardlane": {"bind": "unix:/run/cql/proxy.sock"}}
    objects = rendered("example", *with_values(socket))
    assert not refusal(settings_of(objects)[0]) and not examine(objects), examine(objects)
    (container, _), = shardlanes(objects)
    assert {"name": "shardlane-socket", "mountPath": "/run/cql"} in container["volumeMounts"]


@test
def a_change_of_settings_replaces_the_pods():
    for chart, more in [("example", []), ("shardlane", ["-f", ci_values("daemonset")])]:
        seen = set()
        for settings in ("workers = 1\n", "workers = 2\n", "workers = 2\n"):
            objects = rendered(chart, *more, *with_values({"shardlane": {"settings": settings}}))
            workload, = [o for o in objects if shardlanes([o])]
            seen.add(workload["spec"]["template"]["metadata"]["annotations"]["checksum/shardlane"])
        assert len(seen) == 2, (chart, seen)


@test
def a_proxy_behind_a_service_outlives_its_endpoints():
    objects = rendered("shardlane", "-f", ci_values("daemonset"))
    settings = tomllib.loads(settings_of(objects)[0])
    (_, pod), = shardlanes(objects)
    assert settings["min_sigterm_delay_s"] > 0
    assert settings["min_sigterm_delay_s"] + settings["timeouts"]["drain_ms"] / 1000 < pod["terminationGracePeriodSeconds"]


@test
def every_mounted_volume_is_there():
    for chart, more in [("example", []), *(("shardlane", ["-f", ci_values(n)]) for n in ("daemonset", "deployment"))]:
        for container, pod in shardlanes(rendered(chart, *more)):
            mounted = {m["name"] for m in container["volumeMounts"]}
            assert mounted <= {v["name"] for v in pod["volumes"]}, mounted


@test
def the_sidecar_of_the_library_is_that_of_the_plain_manifest():
    plain, _ = shardlanes(documents(read("deploy/kubernetes/sidecar.yaml")))[0]
    made, _ = shardlanes(rendered("example"))[0]
    for key in ("image", "args", "ports", "startupProbe", "livenessProbe", "resources", "restartPolicy", "volumeMounts"):
        assert made.get(key) == plain.get(key), (key, made.get(key), plain.get(key))


@test
def the_rule_and_the_dashboard_in_the_chart_are_whole():
    objects = {o["kind"]: o for o in rendered("shardlane", "-f", ci_values("deployment")) if o["metadata"]["name"] != "cql-shardlane"}
    rules = yaml.safe_load(read("deploy/prometheus/alerts.yaml"))["groups"]
    text = json.dumps(objects["PrometheusRule"]["spec"]["groups"])
    assert json.loads(text.replace("https://git.example.com/shardlane/blob/main/", "")) == rules
    board = json.loads(objects["ConfigMap"]["data"]["shardlane.json"])
    assert board == json.loads(read("deploy/grafana/shardlane.json"))


@test
def wrong_values_fail_with_a_clear_message():
    good = {"shardlane": {"contactPoints": ["10.0.0.1"]}}
    for change, wanted in [
            ({"shardlane": {"contactPoints": []}}, "contactPoints.*minItems"),
            ({"shardlane": {"contactPoints": "10.0.0.1"}}, "contactPoints.*want array"),
            ({"shardlane": {"contactPoints": ["a b"]}}, "contactPoints/0.*does not match"),
            ({"shardlane": {"image": {"tagg": "1"}}}, "'tagg' not allowed"),
            ({"shardlane": {"imge": {}}}, "'imge' not allowed"),
            ({"shardlane": {"image": {"digest": "1234"}}}, "digest.*does not match"),
            ({"shardlane": {"port": 70000}}, "port.*maximum"),
            ({"shardlane": {"bind": "127.0.0.1:9042"}}, "bind.*does not match"),
            ({"shardlane": {"bind": "unix:/run/cql.sock"}}, "bind.*does not match"),
            ({"shardlane": {"probes": {"liveness": {"timeoutSeconds": 0}}}}, "timeoutSeconds.*minimum"),
            ({"shardlane": {"credentials": {"username": "app"}}}, "secretName must name the secret"),
            ({"shardlane": {"credentials": {"secretName": "app"}}}, "credentials.username must be, too"),
            ({"shardlane": {"credentials": {"password": "x"}}}, "'password' not allowed"),
            ({"shardlane": {"rack": "r1"}}, "dataCenter must be, too"),
            ({"shardlane": {"tls": {"secretName": "x"}, "settings": "[tls]\nca = \"/x\"\n"}}, r"has a table \[tls\]"),
            ({"shardlane": {"clientTls": {"secretName": "x"}, "settings": "[bind_tls]\n"}}, r"has a table \[bind_tls\]"),
            ({"shardlane": {"bind": "0.0.0.0:70000"}}, "bind.*does not match"),
            ({"shardlane": {"bind": "0.0.0.0:9380"}}, "9380, which is that of probes and metrics"),
            ({"shardlane": {"settings": "workers = 2\nadmin = \"0.0.0.0:1\"\n"}}, "shardlane.settings sets admin, which the chart does"),
            ({"shardlane": {"settings": "  'port'=1\n"}}, "shardlane.settings sets port, which the chart does"),
            ({"shardlane": {"dataCenter": "a", "settings": "data_center = \"b\"\n"}}, "shardlane.settings sets data_center"),
            ({"terminationGracePeriodSeconds": 15}, "is 15, .* serve for up to 5 s and drain for up to 10000 ms: give more than 15"),
            ({"shardlane": {"settings": "timeouts.drain_ms = 30_000\n"}}, "drain for up to 30000 ms: give more than 30"),
            ({"shardlane": {"settings": "max_sigterm_delay_s = 20\n"}}, "serve for up to 20 s and drain for up to 10000 ms"),
            ({"kind": "StatefulSet"}, "kind.*'DaemonSet', 'Deployment'"),
            ({"replicas": 0}, "replicas.*minimum"),
            ({"replicaCount": 2}, "'replicaCount' not allowed"),
            ({"networkPolicy": {"nodePorts": []}}, "nodePorts.*minItems"),
            ({"podMonitor": {"interval": "often"}}, "interval.*does not match"),
            ({"prometheusRule": {"runbookBase": "docs"}}, "runbookBase.*does not match"),
            ({"kind": "Deployment", "podDisruptionBudget": {"minAvailable": 1}}, "exactly one of maxUnavailable and minAvailable"),
    ]:
        values = copy.deepcopy(good)
        for key, value in change.items():
            values[key] = dict(values[key], **value) if isinstance(values.get(key), dict) else value
        said = refused(*words("shardlane", *with_values(values)))
        assert re.search(wanted, said), "%s: %s" % (change, said)
    assert rendered("shardlane", *with_values(good)), "the values that were changed are good"


@test
def settings_that_the_chart_does_not_make_are_taken():
    for settings in ("data_center = \"b\"\n", "# admin = 1\nworkers = 2\n", "[tls]\nca = \"/x\"\n[limits]\nport = 1\n", ""):
        values = {"contactPoints": ["10.0.0.1"], "settings": settings}
        made, = settings_of(rendered("shardlane", *with_values({"shardlane": values})))
        assert settings in made, (settings, made)


@test
def the_page_says_how_the_settings_of_the_chart_are_checked():
    block, = re.findall(r"```\n(helm template cql .*?)```", read("docs/kubernetes.md"), re.DOTALL)
    for settings, said in (("[limits]\nclients_max = 0\n", "clients_max"), ("garbage [\n", "key with no value"), ("[limits]\nclients_max = 9\n", "")):
        _, values = with_values({"shardlane": {"contactPoints": ["10.0.0.1"], "settings": settings}})
        with tempfile.TemporaryDirectory() as folder:
            text = "set -e\nhelm() { %s \"$@\" --kube-version %s; }\nshardlane() { %s \"$@\"; }\n" % (tools.helm(), NEWEST, tools.binary()) + block
            text = text.replace("deploy/helm/shardlane", str(charts() / "shardlane")).replace("values.yaml", values)
            done = subprocess.run(["sh", "-c", text], cwd=folder, capture_output=True, text=True, timeout=60)
        assert (done.returncode == 0) == (not said) and said in done.stderr, (settings, done)


@test
def the_network_policy_lets_out_to_every_port_that_the_values_name():
    usual = {9042, 19042, 9142, 19142}
    for shardlane, wanted in [
            ({}, usual),
            ({"port": 9999}, usual | {9999}),
            ({"contactPoints": ["10.0.0.1:7001", "a.example.com:7002", "[2001:db8::1]:7003", "2001:db8::7004", "b"]}, usual | {7001, 7002, 7003}),
    ]:
        values = {"shardlane": dict({"contactPoints": ["10.0.0.1"]}, **shardlane)}
        policy, = [o for o in rendered("shardlane", *with_values(values)) if o["kind"] == "NetworkPolicy"]
        ports = [p["port"] for p in policy["spec"]["egress"][1]["ports"]]
        assert set(ports) == wanted and len(ports) == len(wanted), (shardlane, ports)


@test
def a_dependency_without_its_alias_is_explained():
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copytree(charts() / "example", folder / "example")
        chart = folder / "example/Chart.yaml"
        chart.write_text(chart.read_text().replace("    alias: shardlane\n", ""))
        (folder / "example/values.yaml").write_text("shardlane-sidecar: {contactPoints: [a]}\n")
        said = refused(tools.helm(), "template", "x", folder / "example", "--kube-version", NEWEST)
        assert "alias: shardlane" in said, said


@test
def older_clusters_are_refused():
    said = refused(tools.helm(), "template", "x", charts() / "shardlane", "-f", ci_values("daemonset"), "--kube-version", "1.28.0")
    assert "kubeVersion" in said, said


@test
def the_versions_are_those_of_the_program():
    version, = re.findall(r'^version = "(.+)"', read("Cargo.toml"), re.MULTILINE)[:1]
    for chart in ("shardlane", "shardlane-sidecar", "shardlane-injector"):
        about = yaml.safe_load(read("deploy/helm/%s/Chart.yaml" % chart))
        assert (about["version"], about["appVersion"]) == (version, version), chart
        for dependency in about.get("dependencies", []):
            assert dependency["version"] == version
    for name in ("kubernetes/sidecar.yaml", "kubernetes/kustomize/sidecar/sidecar.yaml"):
        assert "image: shardlane:%s\n" % version in read(DEPLOY / name), name
    assert 'default "%s"' % version in read(DEPLOY / "helm/shardlane-sidecar/templates/_sidecar.tpl")


@test
def the_doctor_of_helm_test_is_not_behind_the_service():
    objects = rendered("shardlane", "-f", ci_values("daemonset"))
    pod, = [o for o in objects if o["kind"] == "Pod"]
    service, = [o for o in objects if o["kind"] == "Service"]
    assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert not faults(pod) and pod["spec"]["containers"][0]["args"][0] == "doctor"
