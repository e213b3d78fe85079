"""The admission webhook and its chart: recorded reviews over HTTPS, rotated certificates, bounds, and the end."""
import base64
import concurrent.futures
import copy
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import time

import tools
from checks import DEPLOY, ROOT, folder, metrics, read, refused, run, test
from checks.charts import NEWEST, charts, rendered, with_values, words
from checks.kubernetes import CLASSIC, NATIVE, examine, faults, shardlanes

CHART = "shardlane-injector"
REVIEWS = ROOT / "tests/data/admission"


def reviews():
    return {p.stem: json.loads(p.read_text()) for p in sorted(REVIEWS.glob("*.json")) if not p.stem.endswith(".answer")}


def make_certificate(path, name):
    """A certificate for 127.0.0.0/8's names in `path`, with `name` in it."""
    tools.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               path / "new.key", "-out", path / "new.crt", "-days", 2, "-subj", "/CN=%s" % name])
    # As the kubelet does: both are there before either is used.
    for part in ("key", "crt"):
        (path / ("new." + part)).replace(path / ("tls." + part))


class Webhook:
    """A webhook of the built program, and its end."""

    def __init__(self, stage, path, *flags):
        self.address = stage.address(8), 8443
        make_certificate(path, "first")
        self.child = stage.start([tools.binary(), "inject", "--serve", "--bind", "%s:%d" % self.address, "--cert",
                                  path / "tls.crt", "--key", path / "tls.key", *flags], "webhook")
        from stage import until
        until("the webhook answers", self.is_up)

    def is_up(self):
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            assert self.child.process.poll() is None, self.child.last_errors()
            return False

    def connect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(*self.address, timeout=20, context=context)

    def ask(self, method, path, body=None, connection=None, **headers):
        own = connection or self.connect()
        own.request(method, path, body, headers)
        answer = own.getresponse()
        said = answer.status, answer.read().decode()
        if not connection:
            own.close()
        return said

    def review(self, question, connection=None):
        status, text = self.ask("POST", "/inject?timeout=5s", json.dumps(question), connection, **{"Content-Type": "application/json"})
        assert status == 200, (status, text)
        return json.loads(text)

    def subject(self):
        """Who the certificate of a new connection is for."""
        with folder() as path:
            (path / "pem").write_text(ssl.get_server_certificate(self.address))
            return run("openssl", "x509", "-noout", "-subject", "-in", path / "pem").strip().rpartition("=")[2].strip()


def patched(obj, patch):
    """An object after a JSON Patch of additions and replacements."""
    obj = copy.deepcopy(obj)
    for step in patch:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        at = obj
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if isinstance(at, list) and step["op"] == "add":
            assert 0 <= int(last) <= len(at), step
            at.insert(int(last), step["value"])
        elif isinstance(at, list):
            at[int(last)] = step["value"]
        else:
            assert step["op"] == "add" or last in at, step
            at[last] = step["value"]
    return obj


@test(alone=True)
def recorded_reviews_make_valid_pods_over_https():
    from stage import Stage
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "scylla-client.scylla.svc")
        kept, injected = webhook.connect(), 0
        for name, question in reviews().items():
            answer = webhook.review(question, kept)
            response = answer["response"]
            assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
            assert response["uid"] == question["request"]["uid"] and response["allowed"] is True, name
            # The API server makes the name later.
            named = copy.deepcopy(question["request"]["object"]) or {}
            named.get("metadata", {}).setdefault("name", "x")
            golden = json.loads((REVIEWS / (name + ".answer.json")).read_text())
            if "patch" in response:
                assert response["patchType"] == "JSONPatch"
                response["patch"] = json.loads(base64.b64decode(response["patch"], validate=True))
                pod = patched(named, response["patch"])
                versions = CLASSIC if "classic" in name else NATIVE
                # What a mesh adds may be unconfined.
                before, after = examine([named], versions), examine([pod], versions)
                assert after == before and (not before or "linkerd" in name), (name, before, after)
                (container, spec), = shardlanes([pod])
                mounted = {m["name"] for m in container.get("volumeMounts", [])}
                assert mounted <= {v["name"] for v in spec["volumes"]}, name
                injected += 1
            assert answer == golden, name
        assert injected >= 5, injected


@test(alone=True)
def the_webhook_and_the_command_make_the_same_of_a_recorded_pod():
    from stage import Stage
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "scylla-client.scylla.svc")
        seen = {"injected": 0, "left": 0, "refused": 0}
        for name, question in reviews().items():
            request, response = question["request"], webhook.review(question)["response"]
            if request["operation"] != "CREATE" or "shardlane.dev/inject" not in request["object"]["metadata"].get("annotations", {}):
                assert response == {"uid": request["uid"], "allowed": True}, name
                continue
            done = subprocess.run([tools.binary(), "inject", "-f", "-", "--contact-points", "scylla-client.scylla.svc"],
                                  input=json.dumps(request["object"]), capture_output=True, text=True, timeout=60)
            if "warnings" in response:
                why = response["warnings"][0].removeprefix("shardlane: no sidecar: ")
                assert done.returncode == 1 and why in done.stderr, (name, why, done.stderr)
                seen["refused"] += 1
                continue
            assert done.returncode == 0, (name, done.stderr)
            made = json.loads(done.stdout)
            if request["kind"]["kind"] != "Pod":
                # The command changes its template, the webhook the pods that are made of that.
                assert "patch" not in response and made != request["object"], name
                continue
            patch = json.loads(base64.b64decode(response.get("patch", "W10="), validate=True))
            assert made == patched(request["object"], patch), name
            seen["injected" if patch else "left"] += 1
        assert seen["injected"] >= 10 and seen["left"] and seen["refused"] == 3, seen


@test(alone=True)
def a_body_that_is_no_review_or_too_long_is_refused_and_does_no_harm():
    from stage import Stage
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "a")
        for body, status in [("", 400), ("{", 400), ("[" * 100000, 400), ("x" * (4 << 20), 400), ("x" * ((4 << 20) + 1), 413)]:
            try:
                assert webhook.ask("POST", "/inject", body)[0] == status, (body[:20], len(body))
            except OSError:
                assert status == 413, "closed while it sends what it may"
        assert webhook.ask("GET", "/inject")[0] == 405
        assert webhook.ask("GET", "/")[0] == 404
        chunked = webhook.connect()
        chunked.request("POST", "/inject", iter([b"{}"]), encode_chunked=True)
        assert chunked.getresponse().status == 411
        # Clients that stop in the middle of something: plain bytes, no handshake, no body.
        idle = [socket.create_connection(webhook.address) for _ in range(20)]
        idle[0].sendall(b"POST /inject HTTP/1.1\r\n\r\n")
        slow = webhook.connect()
        slow.putrequest("POST", "/inject")
        slow.putheader("Content-Length", "100")
        slow.endheaders(b"{")
        good = reviews()["deployment-pod"]
        assert "patch" in webhook.review(good)["response"]
        assert slow.getresponse().status == 408, "a body that does not come is waited for"
        assert "patch" in webhook.review(good)["response"]
        for s in idle:
            s.close()


@test(alone=True)
def a_replaced_certificate_is_used_without_a_restart():
    from stage import Stage, until
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "a")
        kept, good = webhook.connect(), reviews()["deployment-pod"]
        assert webhook.subject() == "first"
        webhook.review(good, kept)
        make_certificate(path, "second")
        until("the new certificate is in use", lambda: webhook.subject() == "second")
        assert "patch" in webhook.review(good, kept)["response"], "a connection that was there stays"
        (path / "tls.crt").write_text("nonsense")
        until("the fault is logged", lambda: "new TLS files are not used" in webhook.child.last_errors())
        assert webhook.subject() == "second"


def sample(page, name):
    """The value of the one series that is written so."""
    value, = re.findall(r"^%s (\S+)$" % re.escape(name), page, re.MULTILINE)
    return float(value)


def reviewed(outcome):
    return 'shardlane_webhook_reviews_total{outcome="%s"}' % outcome


@test(alone=True)
def the_metrics_count_what_became_of_each_question():
    from stage import Stage, until
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "a")
        expected = {"injected": 0, "left": 0, "refused": 0, "failed": 2}
        for name, question in reviews().items():
            response = webhook.review(question)["response"]
            expected["injected" if "patch" in response else "refused" if "warnings" in response else "left"] += 1
        assert all(expected.values()), expected
        for body in ("", "{}"):
            assert webhook.ask("POST", "/inject", body)[0] == 400
        distrust = ssl.create_default_context()
        distrust.check_hostname = False
        try:
            http.client.HTTPSConnection(*webhook.address, timeout=20, context=distrust).connect()
            raise AssertionError("a certificate that no authority signed is trusted")
        except ssl.SSLError:
            pass
        failed = 'shardlane_webhook_tls_handshakes_total{result="failed"}'
        until("the failed handshake is counted", lambda: sample(webhook.ask("GET", "/metrics")[1], failed) == 1)
        assert "a TLS handshake with the webhook failed" in webhook.child.last_errors()
        page = webhook.ask("GET", "/metrics")[1]
        counted = {outcome: sample(page, reviewed(outcome)) for outcome in expected}
        assert counted == expected, (counted, expected)
        assert sample(page, "shardlane_webhook_review_duration_seconds_count") == sum(expected.values())
        ends = run("openssl", "x509", "-noout", "-enddate", "-in", path / "tls.crt").strip().partition("=")[2]
        shown = sample(page, 'shardlane_tls_certificate_expiry_timestamp_seconds{side="webhook"}')
        assert shown == ssl.cert_time_to_seconds(ends), (shown, ends)
        absent = {name for name in metrics() if "_webhook_" in name and "# TYPE %s " % name not in page}
        assert not absent, "metrics that the page does not have: %s" % absent
        # Values that the rules compare labels with: a page shows all of them, if only with 0.
        for name, label, value in re.findall(r'(shardlane_webhook_\w+)\{(\w+)(?:=|!=)"([^"]+)"', read("deploy/prometheus/alerts.yaml")):
            assert '%s{%s="%s"}' % (name, label, value) in page, (name, label, value)
        done = subprocess.run([tools.prometheus("promtool"), "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not (done.stdout + done.stderr).strip(), done.stdout + done.stderr


@test(alone=True)
def prometheus_scrapes_the_webhook_as_its_pod_monitor_says_and_its_alerts_fire():
    from checks.scrape import Prometheus, fires_and_resolves
    from stage import Stage, until
    monitor, = [o for o in rendered(CHART, *ci_values("secret")) if o["kind"] == "PodMonitor"]
    endpoint, = monitor["spec"]["podMetricsEndpoints"]
    how = {"scheme": endpoint["scheme"], "metrics_path": endpoint["path"],
           "tls_config": {"insecure_skip_verify": endpoint["tlsConfig"]["insecureSkipVerify"]}}
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "a")
        prometheus = Prometheus(stage, path, "%s:%d" % webhook.address, alerts=True, **how)
        until("Prometheus scrapes the webhook", prometheus.is_up, 30)
        assert not {name for name in prometheus.firing() if "Webhook" in name}, prometheus.firing()
        # Refused once while it is scraped: the alert ends when that is out of its window.
        webhook.review(reviews()["windows-pod"])
        fires_and_resolves(stage, prometheus, "ShardlaneWebhookRefuses", lambda: None)
        # A certificate of two days, as a secret of yours may hold.
        assert prometheus.firing()["ShardlaneCertificateExpires"]["labels"]["side"] == "webhook", prometheus.firing()


@test(alone=True)
def no_review_fails_while_the_webhook_ends():
    """It serves on after SIGTERM, as the API servers learn late that it is gone; then kept connections are ended."""
    from stage import Stage
    with Stage() as stage, folder() as path:
        webhook = Webhook(stage, path, "--contact-points", "a")
        good = reviews()["deployment-pod"]

        def ask_for(seconds):
            until, count = time.monotonic() + seconds, 0
            while time.monotonic() < until:
                webhook.review(good)
                count += 1
            return count
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(ask_for, 4) for _ in range(2)]
            time.sleep(1)
            webhook.child.process.send_signal(signal.SIGTERM)
            assert all(a.result() > 10 for a in asking)
        assert webhook.child.wait(15) == 0, webhook.child.last_errors()


def ci_values(name):
    return ["-f", DEPLOY / "helm" / CHART / "ci" / (name + "-values.yaml")]


@test
def the_chart_passes_the_lint_and_its_own_tests():
    for name in ("cert-manager", "secret"):
        run(tools.helm(), "lint", "--strict", "--kube-version", NEWEST, charts() / CHART, *ci_values(name))
    said = run(tools.helm("helm-unittest"), "--strict", charts() / CHART)
    assert re.search(r"Tests:\s+\d+ passed, \d+ total", said), said


@test
def manifests_of_the_injectors_chart_are_valid_and_restricted():
    kinds = {"Deployment", "MutatingWebhookConfiguration", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"}
    for name, more in (("cert-manager", {"Certificate", "Issuer"}), ("secret", {"PodMonitor", "PrometheusRule"})):
        objects = rendered(CHART, *ci_values(name))
        assert {o["kind"] for o in objects} == kinds | more, name
        assert not examine(objects), (name, examine(objects))
        hook, = [o for o in objects if o["kind"] == "MutatingWebhookConfiguration"]
        service, = [o for o in objects if o["kind"] == "Service"]
        client = hook["webhooks"][0]["clientConfig"]["service"]
        assert (client["name"], client["namespace"], client["path"]) == (service["metadata"]["name"], "data", "/inject")
        hook["webhooks"][0]["matchCondition"] = hook["webhooks"][0].pop("matchConditions")
        assert faults(hook), "a misspelt field passed"


@test
def the_program_takes_every_value_of_the_charts_sidecar():
    """And the chart has every flag of the program that is a choice."""
    schema = json.loads(read(DEPLOY / "helm" / CHART / "values.schema.json"))["properties"]["sidecar"]["properties"]
    page = read("docs/kubernetes.md")
    assert set(schema) == set(re.findall(r"^\| `shardlane\.dev/([a-z-]+)` \| `--", page, re.MULTILINE))
    deployment, = [o for o in rendered(CHART, *ci_values("secret")) if o["kind"] == "Deployment"]
    command, *args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert command == "inject" and len([a for a in args if a[2:].partition("=")[0] in schema]) == len(schema)
    said = refused(tools.binary(), command, *args)
    assert "cannot be read" in said or "No such file" in said, "only the certificate is missing: %s" % said


@test
def the_chart_takes_the_resources_that_the_webhook_takes():
    good = {"tls": {"certManager": {"enabled": True}}}
    for request, limit, is_good in [("64Mi", "64Mi", True), ("0.5Gi", "512Mi", True), ("1G", "1Gi", True), ("1Gi", "1G", False),
                                    ("0", "16777216", True), ("0", "16777215", False), ("64Mi", "63.9Mi", False)]:
        resources = {"memory-request": request, "memory-limit": limit}
        flags = ["--%s=%s" % pair for pair in resources.items()]
        # Only the missing certificate is its fault when the resources are none.
        said = refused(tools.binary(), "inject", "--serve", "--cert=/nowhere", "--key=/nowhere", *flags)
        assert ("memory-" in said) != is_good, (resources, said)
        command = words(CHART, *with_values(dict(good, sidecar=resources)))
        if is_good:
            assert "--memory-limit=" + limit in run(*command), resources
        else:
            assert "sidecar.memory-limit" in refused(*command), resources


@test
def the_alert_for_certificates_fires_when_the_chart_says():
    for days, duration in ((14, "1009h"), (2, "168h"), (0.3, "24h")):
        values = {"tls": {"certManager": {"enabled": True, "duration": duration}},
                  "prometheusRule": {"enabled": True, "certificateDays": days}}
        rules = [r for o in rendered(CHART, *with_values(values)) if o["kind"] == "PrometheusRule" for g in o["spec"]["groups"] for r in g["rules"]]
        rule, = [r for r in rules if r["alert"] == "ShardlaneCertificateExpires"]
        assert rule["expr"].endswith("- time() < %s * 86400" % days), rule


@test
def wrong_values_of_the_injector_fail_with_a_clear_message():
    good = {"tls": {"certManager": {"enabled": True}}}
    for change, wanted in [
            ({"tls": {}}, "where does the certificate come from"),
            ({"tls": {"secretName": "x"}}, "tls.caBundle must be, too"),
            ({"tls": {"secretName": "x", "caBundle": "notbase64"}}, "caBundle.*does not match"),
            ({"tls": {"secretName": "x", "caBundle": "bm90UEVN"}}, "caBundle is no certificate in PEM"),
            ({"tls": {"certManager": {"enabled": True, "duration": "168h"}}}, "duration is 168h, .* which wants 14 days, would always fire"),
            ({"tls": {"certManager": {"enabled": True, "duration": "1008h"}}}, "would always fire"),
            ({"prometheusRule": {"certificateDays": 30}}, "duration is 2160h, .* which wants 30 days, would always fire"),
            ({"prometheusRule": {"certificateDays": 0}}, "certificateDays.*exclusiveMinimum|certificateDays.*got 0"),
            ({"logLevel": "loud"}, "logLevel.*'off', 'error', 'warn'"),
            ({"tls": {"certManager": {"enabled": True}, "secretName": "x"}}, "give one of them"),
            ({"sidecar": {"contact-pionts": "a"}}, "'contact-pionts' not allowed"),
            ({"sidecar": {"contact-points": "a b"}}, "contact-points.*does not match"),
            ({"sidecar": {"port": 9142}}, "port.*want string"),
            ({"sidecar": {"port": "70000"}}, "port.*does not match"),
            ({"sidecar": {"config-map": "a..b"}}, "config-map.*does not match"),
            ({"sidecar": {"port-env": "A,,B"}}, "port-env.*does not match"),
            ({"sidecar": {"port-env": "A", "contact-points-env": "B,A"}}, "name a variable twice"),
            ({"sidecar": {"cpu-request": "250Mi"}}, "cpu-request.*does not match"),
            ({"sidecar": {"cpu-limit": "100m"}}, "cpu-request is 250m, which is more than sidecar.cpu-limit, 100m"),
            ({"sidecar": {"cpu-limit": "1Gi"}}, "cpu-limit.*does not match"),
            ({"sidecar": {"memory-request": "500m"}}, "memory-request.*does not match"),
            ({"sidecar": {"memory-limit": "16Mi"}}, "memory-request is 64Mi, which is more than sidecar.memory-limit, 16Mi"),
            ({"sidecar": {"memory-request": "1Gi"}}, "memory-request is 1Gi, which is more than sidecar.memory-limit, 256Mi"),
            ({"sidecar": {"memory-request": "0", "memory-limit": "0"}}, "memory-limit is 0: a sidecar needs 16Mi at least"),
            ({"webhook": {"timeoutSeconds": 60}}, "timeoutSeconds.*maximum"),
            ({"webhook": {"failurePolicy": "Fail"}}, "'failurePolicy' not allowed"),
            ({"podMonitor": {"interval": "often"}}, "interval.*does not match"),
            ({"prometheusRule": {"runbookBase": "docs"}}, "runbookBase.*does not match"),
    ]:
        said = refused(*words(CHART, *with_values(dict(good, **change))))
        assert re.search(wanted, said), "%s: %s" % (change, said)
    assert rendered(CHART, *with_values(good))
