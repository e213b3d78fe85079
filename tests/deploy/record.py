#!/usr/bin/env python3
"""Records what a real API server asks the webhook about pods, and sees that it takes the answers.

  record.py --etcd PROGRAM [--kubernetes VERSION] [--apiserver PROGRAM] [--write]

It starts etcd and an API server, registers the webhook as the chart does, sends each object of tests/data/admission/sent,
and looks at what is stored. With --write the questions become tests/data/admission/*.json, as they came. Without
--apiserver it is built of its Go module first, which takes 20 minutes of CPU and 3 GB. All of it is on the loopback.
"""
import argparse
import base64
import copy
import http.client
import http.server
import json
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "drivers")]

import tools  # noqa: E402

if Path(sys.prefix).resolve() != tools.VENV.resolve():
    sys.exit(subprocess.call([tools.venv() / "bin/python", __file__, *sys.argv[1:]], stdin=subprocess.DEVNULL))

from checks.charts import rendered  # noqa: E402
from checks.injector import CHART, REVIEWS, ci_values, patched  # noqa: E402
from stage import until  # noqa: E402

MAIN = """package main
import (
	"os"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)
func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
"""
SOURCE = "k8s.io/kubernetes"
ADDRESS = "127.95.7.1"
ETCD, ETCD_PEER, API, WEBHOOK, RECORDER = 2379, 2380, 6443, 8443, 8444
LOGS = tools.TARGET / "test-logs"
# Controllers that make pods; each has a token of its own.
CONTROLLERS = ("daemon-set-controller", "job-controller", "replicaset-controller", "statefulset-controller")
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
# Asked about through rules that are wider than the chart's.
UNASKED = ("plain-pod", "deployment")


def build(version, folder):
    """The API server of this version, from its Go module and those that it replaces by folders of its own."""
    found = json.loads(tools.run(["go", "mod", "download", "-json", "%s@v%s" % (SOURCE, version)], cwd=folder))
    theirs = Path(found["GoMod"]).read_text()
    staged = "v0." + version.partition(".")[2]
    replaced = ["%s => %s %s" % (name, name, staged) for name in re.findall(r"^\t(\S+) => \./staging/", theirs, re.MULTILINE)]
    go, = re.findall(r"^go (\S+)$", theirs, re.MULTILINE)
    (folder / "go.mod").write_text("module apiserver\ngo %s\nrequire %s v%s\nreplace (\n%s\n)\n" % (
        go, SOURCE, version, "\n".join(replaced)))
    (folder / "main.go").write_text(MAIN)
    tools.run(["go", "mod", "tidy"], cwd=folder, seconds=1800)
    major, minor, _ = version.split(".")
    stamp = " ".join("-X k8s.io/component-base/version.%s=%s" % pair for pair in
                     (("gitVersion", "v" + version), ("gitMajor", major), ("gitMinor", minor)))
    tools.run(["go", "build", "-trimpath", "-ldflags", "-s -w " + stamp, "-o", folder / "kube-apiserver", "."], cwd=folder, seconds=7200)
    return folder / "kube-apiserver"


def make_certificates(path):
    """An authority, and what it signed: the API server, the webhook, and an administrator."""
    tools.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path / "ca.key", "-out", path / "ca.crt",
               "-days", 2, "-subj", "/CN=authority"])
    for name, subject in (("server", "/CN=server"), ("admin", "/O=system:masters/CN=kubernetes-admin")):
        tools.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", path / (name + ".key"), "-out", path / "csr",
                   "-subj", subject])
        (path / "names").write_text("subjectAltName=IP:%s,DNS:kubernetes\n" % ADDRESS)
        tools.run(["openssl", "x509", "-req", "-in", path / "csr", "-CA", path / "ca.crt", "-CAkey", path / "ca.key",
                   "-CAcreateserial", "-out", path / (name + ".crt"), "-days", 2, "-extfile", path / "names"])
    tools.run(["openssl", "genrsa", "-out", path / "accounts.key", "2048"])


class Api:
    """The API server, as an administrator or by a token."""

    def __init__(self, path):
        self.context = ssl.create_default_context(cafile=path / "ca.crt")
        self.anonymous = ssl.create_default_context(cafile=path / "ca.crt")
        self.context.load_cert_chain(path / "admin.crt", path / "admin.key")
        self.warnings = []

    def ask(self, method, where, body=None, token=None, kind="application/json"):
        """Status and body of an answer; its warnings are kept until the next one."""
        headers = {"Content-Type": kind, **({"Authorization": "Bearer " + token} if token else {})}
        connection = http.client.HTTPSConnection(ADDRESS, API, timeout=60, context=self.anonymous if token else self.context)
        connection.request(method, where, body and json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        self.warnings = answer.headers.get_all("Warning") or []
        connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text

    def do(self, method, where, body=None, **more):
        status, answer = self.ask(method, where, body, **more)
        assert status in (200, 201, 202), (method, where, status, answer)
        return answer

    def is_up(self):
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False


class Recorder(http.server.ThreadingHTTPServer):
    """Passes questions on to the webhook, and keeps both sides' words."""

    def __init__(self, path):
        super().__init__((ADDRESS, RECORDER), Passing)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path / "server.crt", path / "server.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.to = ssl.create_default_context(cafile=path / "ca.crt")
        self.said = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self):
        """What was said since."""
        said, self.said = self.said, []
        return said


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, said = self.passed(body)
        except OSError:
            # The webhook is away: so is what stands before it.
            self.close_connection = True
            return
        self.server.said.append((json.loads(body), json.loads(said)))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def passed(self, body):
        connection = http.client.HTTPSConnection(ADDRESS, WEBHOOK, timeout=20, context=self.server.to)
        connection.request("POST", self.path, body, {"Content-Type": self.headers["Content-Type"]})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, said

    def log_message(self, *_):
        pass


def holds(stored, wanted, at=""):
    """Where an object lacks something of another; lists are compared item by item."""
    if isinstance(wanted, dict):
        absent = [at + "/" + key for key in wanted if not isinstance(stored, dict) or key not in stored]
        return absent + [f for key in wanted if at + "/" + key not in absent for f in holds(stored[key], wanted[key], at + "/" + key)]
    if isinstance(wanted, list):
        if not isinstance(stored, list) or len(stored) != len(wanted):
            return ["%s: %r" % (at, stored)]
        return [f for i, item in enumerate(wanted) for f in holds(stored[i], item, "%s/%d" % (at, i))]
    return [] if stored == wanted else ["%s: %r, not %r" % (at, stored, wanted)]


def without_tokens(pod):
    """A pod's `spec` without the mounts of tokens, which the API server gives each container that it finds after the webhook."""
    pod = copy.deepcopy(pod)
    for container in pod.get("initContainers", []) + pod["containers"]:
        mounts = [m for m in container.get("volumeMounts", []) if m["mountPath"] != TOKEN]
        container["volumeMounts"] = mounts
    return pod


def registration(path, *, is_wide):
    """The chart's registration of the webhook, with the recorder's address; a wide one asks about everything."""
    hook, = [o for o in rendered(CHART, *ci_values("cert-manager")) if o["kind"] == "MutatingWebhookConfiguration"]
    one, = hook["webhooks"]
    one["clientConfig"] = {"url": "https://%s:%d/inject" % (ADDRESS, RECORDER),
                           "caBundle": base64.b64encode((path / "ca.crt").read_bytes()).decode()}
    if is_wide:
        hook["metadata"]["name"] = "wide"
        one["rules"] = [{"operations": ["CREATE", "UPDATE", "DELETE"], "apiGroups": ["", "apps"], "apiVersions": ["v1"],
                         "resources": ["pods", "pods/ephemeralcontainers", "deployments"]}]
        del one["matchConditions"]
    return hook


def pods_of(namespace):
    return "/api/v1/namespaces/%s/pods" % namespace


class Trial:
    """The objects that are sent, one by one."""

    def __init__(self, api, recorder, version, write):
        self.api, self.recorder, self.version, self.write = api, recorder, version, write
        self.tokens, self.faults, self.asked, self.warnings = {}, [], 0, []
        self.sent = {p.stem: json.loads(p.read_text()) for p in sorted((REVIEWS / "sent").glob("*.json"))}

    def prepare(self):
        for name, labels in (("shop", {}), ("vault", {"pod-security.kubernetes.io/enforce": "restricted"})):
            self.api.do("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
            self.api.do("POST", "/api/v1/namespaces/%s/serviceaccounts" % name, {"metadata": {"name": "default"}})
        # A sidecar must not be what a quota stumbles over.
        self.api.do("POST", "/api/v1/namespaces/vault/limitranges", {"metadata": {"name": "limits"}, "spec": {"limits": [
            {"type": "Container", "max": {"memory": "1Gi", "cpu": "2"}, "min": {"memory": "16Mi"}}]}})
        until("the namespace kube-system", lambda: self.api.ask("GET", "/api/v1/namespaces/kube-system")[0] == 200)
        for name in CONTROLLERS:
            accounts = "/api/v1/namespaces/kube-system/serviceaccounts"
            self.api.do("POST", accounts, {"metadata": {"name": name}})
            made = self.api.do("POST", "%s/%s/token" % (accounts, name), {"spec": {"expirationSeconds": 3600}})
            self.tokens["system:serviceaccount:kube-system:" + name] = made["status"]["token"]

    def register(self, path, *, is_wide):
        hook = registration(path, is_wide=is_wide)
        where = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        self.api.do("POST", where, hook)
        probe = {"metadata": {"generateName": "probe-", "annotations": {"shardlane.dev/inject": "disabled"}},
                 "spec": {"containers": [{"name": "x", "image": "x"}]}}

        def is_asked():
            self.api.do("POST", pods_of("shop") + "?dryRun=All", probe)
            return self.recorder.take()
        until("the webhook is asked", is_asked)
        return where + "/" + hook["metadata"]["name"]

    def send(self, name):
        """Sends an object as who makes such; returns what is stored, and what the webhook was asked."""
        how = self.sent[name]
        o, namespace = how["object"], how.get("namespace", "shop")
        plural = pods_of(namespace) if o["kind"] == "Pod" else "/apis/apps/v1/namespaces/%s/deployments" % namespace
        where = plural
        method, kind = "POST", "application/json"
        if how.get("apply"):
            method, kind = "PATCH", "application/apply-patch+yaml"
            where += "/%s?fieldManager=kubectl" % o["metadata"]["name"]
        if how["dryRun"]:
            where += "?dryRun=All"
        stored = self.api.do(method, where, o, token=self.tokens.get(how["user"]), kind=kind)
        self.warnings = self.api.warnings
        said = self.recorder.take()
        if not how["dryRun"]:
            stored = self.api.do("GET", "%s/%s" % (plural, stored["metadata"]["name"]))
        return stored, said

    def judge(self, name, stored, said):
        """Compares what is stored with the answer, and keeps the question."""
        if len(said) != 1:
            self.faults.append("%s: asked %d times" % (name, len(said)))
            return
        (question, answer), = said
        self.asked += 1
        wanted = question["request"]["object"]
        patch = answer["response"].get("patch")
        if patch:
            wanted = patched(wanted, json.loads(base64.b64decode(patch)))
        if wanted and stored:
            specs = [o["spec"] if o["kind"] == "Deployment" else without_tokens(o["spec"]) for o in (stored, wanted)]
            self.faults += ["%s: %s" % (name, f) for f in holds(*specs)]
            self.faults += ["%s: %s" % (name, f) for f in holds(stored["metadata"].get("labels"), wanted["metadata"].get("labels"))]
        warned = answer["response"].get("warnings", [])
        if [w for w in warned if not any(w in seen for seen in self.warnings)]:
            self.faults.append("%s: the client got %s, not %s" % (name, self.warnings, warned))
        log("%-20s %s" % (name, "injected" if patch else "refused: %s" % warned if warned else "left"))
        if self.write:
            readme = REVIEWS / "README.md"
            readme.write_text(re.sub(r"v\d+\.\d+\.\d+", self.version, readme.read_text()))
            (REVIEWS / (name + ".json")).write_text(json.dumps(question, indent=2, ensure_ascii=False) + "\n")

    def run(self, path, webhook):
        self.prepare()
        unasked, said = self.send("plain-pod")
        assert not said
        narrow = self.register(path, is_wide=False)
        unasked, said = self.send("plain-pod")
        assert not said and "initContainers" not in unasked["spec"], "asked about a pod that wants none"
        stored = {}
        for name in self.sent:
            if name not in UNASKED:
                stored[name], said = self.send(name)
                self.judge(name, stored[name], said)
        # A change of a pod is nothing that the chart has the webhook asked about.
        pod = stored["statefulset-pod"]
        self.api.do("PATCH", pods_of("shop") + "/" + pod["metadata"]["name"], {"metadata": {"labels": {"seen": "yes"}}},
                    kind="application/merge-patch+json")
        assert not self.recorder.take(), "asked about a change"
        self.api.do("DELETE", narrow)
        self.wide(path, stored["deployment-pod"])
        self.without(path, webhook)

    def wide(self, path, pod):
        """What only a registration of one's own asks about."""
        hook = self.register(path, is_wide=True)
        for name in UNASKED:
            self.judge(name, *self.send(name))
        where = pods_of("shop") + "/" + pod["metadata"]["name"]
        debugged = copy.deepcopy(self.api.do("GET", where))
        debugged["spec"]["ephemeralContainers"] = [{"name": "debugger", "image": "busybox", "stdin": True, "tty": True}]
        stored = self.api.do("PUT", where + "/ephemeralcontainers", debugged)
        self.judge("debugged-pod", stored, self.recorder.take())
        self.api.do("DELETE", where + "?gracePeriodSeconds=0")
        said = self.recorder.take()
        self.judge("deleted-pod", None, said[:1])
        self.api.do("DELETE", hook)

    def without(self, path, webhook):
        """The webhook is away: failurePolicy lets pods start without a sidecar."""
        self.register(path, is_wide=False)
        webhook.terminate()
        webhook.wait(60)
        self.recorder.shutdown()
        self.recorder.server_close()
        began = time.monotonic()
        stored, _ = self.send("deployment-pod")
        names = [c["name"] for c in stored["spec"].get("initContainers", [])]
        assert names == [], names
        log("without the webhook a pod is made after %.1f s, with no sidecar" % (time.monotonic() - began))


def log(text):
    print(text, flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--etcd", required=True, help="the program, as of Debian's etcd-server")
    arguments.add_argument("--kubernetes", default="1.36.3", metavar="VERSION")
    arguments.add_argument("--apiserver", help="the program, if it is there")
    arguments.add_argument("--write", action="store_true", help="write tests/data/admission")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="shardlane-record-") as name:
        path = Path(name)
        apiserver = arguments.apiserver or build(arguments.kubernetes, path)
        make_certificates(path)
        etcd_url = "http://%s:%d" % (ADDRESS, ETCD)
        peer_url = "http://%s:%d" % (ADDRESS, ETCD_PEER)
        commands = {
            "etcd": [arguments.etcd, "--data-dir", path / "etcd", "--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url,
                     "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url, "--initial-cluster", "default=" + peer_url],
            "apiserver": [
                apiserver, "--etcd-servers", etcd_url, "--bind-address", ADDRESS, "--advertise-address", ADDRESS, "--secure-port", API,
                "--tls-cert-file", path / "server.crt", "--tls-private-key-file", path / "server.key", "--client-ca-file", path / "ca.crt",
                "--service-account-key-file", path / "accounts.key", "--service-account-signing-key-file", path / "accounts.key",
                "--service-account-issuer", "https://kubernetes.default.svc", "--authorization-mode", "Node,RBAC",
                "--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none", "--cert-dir", path / "unused"],
            "webhook": [tools.binary(), "inject", "--serve", "--bind", "%s:%d" % (ADDRESS, WEBHOOK), "--cert", path / "server.crt",
                        "--key", path / "server.key", "--contact-points", "scylla-client.scylla.svc"],
        }
        running = {}
        LOGS.mkdir(parents=True, exist_ok=True)
        try:
            for what, words in commands.items():
                with open(LOGS / ("record-%s.log" % what), "w") as to:
                    running[what] = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=to, stderr=to)
            api = Api(path)
            until("the API server serves", api.is_up, 300)
            version = api.do("GET", "/version")["gitVersion"]
            log("Kubernetes %s" % version)
            trial = Trial(api, Recorder(path), version, arguments.write)
            trial.run(path, running["webhook"])
        finally:
            # The API server ends only while etcd is there.
            for process in reversed(running.values()):
                process.terminate()
                process.wait(60)
        for fault in trial.faults:
            log("FAULT  " + fault)
        log("%d questions, %d faults" % (trial.asked, len(trial.faults)))
        sys.exit(bool(trial.faults))


if __name__ == "__main__":
    main()
