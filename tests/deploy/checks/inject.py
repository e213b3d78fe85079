"""`shardlane inject`: what it makes of manifests, judged as the manifests of deploy/ are."""
import copy
import json
import re
import subprocess

import yaml

import tools
from checks import DEPLOY, documents, read, run, test
from checks.kubernetes import CLASSIC, NATIVE, examine, shardlanes

EXAMPLE = DEPLOY / "kubernetes/kustomize/example/deployment.yaml"
WISHES = ["--contact-points", "scylla-client.scylla.svc"]
EVERYTHING = [*WISHES, "--config-map", "shardlane", "--username", "orders", "--password-secret", "orders-password",
              "--tls-secret", "scylla-ca", "--port", "9142", "--data-center", "dc1", "--rack", "r1",
              "--contact-points-env", "CASSANDRA_CONTACT_POINTS,HOSTS", "--port-env", "CASSANDRA_PORT"]


def injected(text, *flags):
    """The objects of a text with sidecars."""
    done = subprocess.run([tools.binary(), "inject", "-f", "-", *flags], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def every_kind():
    """Each kind with pods, as `kubectl get -o yaml` has them, and all of them as one list."""
    pod = documents(read(EXAMPLE))[0]["spec"]["template"]
    named = {"metadata": {"name": "x"}}
    wanted = {"selector": {"matchLabels": pod["metadata"]["labels"]}, "template": pod}
    job = copy.deepcopy(pod)
    job["spec"]["restartPolicy"] = "Never"
    objects = [dict(named, apiVersion="apps/v1", kind=kind, spec=dict(wanted)) for kind in
               ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")]
    objects[-1]["spec"]["serviceName"] = "x"
    objects += [dict(named, apiVersion="batch/v1", kind="Job", spec={"template": job}),
                dict(named, apiVersion="batch/v1", kind="CronJob", spec={
                    "schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": job}}}),
                dict(named, apiVersion="v1", kind="Pod", spec=pod["spec"]),
                dict(named, apiVersion="v1", kind="ReplicationController", spec={"template": pod})]
    # Without parts that several of them share: PyYAML would write them once, with an anchor.
    return json.loads(json.dumps(objects))


def pods(o):
    """The pod of an object, wherever it is."""
    return [v for v in walk(o) if isinstance(v, dict) and "containers" in v]


def walk(node):
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


@test
def an_injected_pod_is_valid_and_restricted_in_every_version():
    for flags in (WISHES, EVERYTHING):
        for mode, versions in (("native", NATIVE), ("classic", CLASSIC)):
            objects = injected(read(EXAMPLE), *flags, "--mode", mode)
            assert len(shardlanes(objects)) == 1, "one of the two wants none"
            assert not examine(objects, versions), (flags, mode, examine(objects, versions))
            mounted = {m["name"] for c, _ in shardlanes(objects) for m in c.get("volumeMounts", [])}
            assert mounted == {v["name"] for _, pod in shardlanes(objects) for v in pod.get("volumes", [])}


@test
def every_kind_with_pods_is_injected_from_yaml_and_from_json():
    objects = every_kind()
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    first = None
    for text in (yaml.safe_dump_all(objects, sort_keys=False), json.dumps(listed), json.dumps(listed, indent=4), yaml.safe_dump(listed)):
        made = injected(text, *EVERYTHING)
        made = made[0].get("items", made)
        assert [o["kind"] for o in made] == [o["kind"] for o in objects]
        for o in made:
            pod, = pods(o)
            assert pod["initContainers"][0]["name"] == "shardlane", o["kind"]
        first = first or made
        assert made == first, "the form of the text changes what is made of it"
    assert not examine(first), examine(first)


@test
def the_injected_sidecar_is_that_of_the_plain_manifests():
    for mode, name in (("native", "sidecar.yaml"), ("classic", "sidecar-classic.yaml")):
        plain, plain_pod = shardlanes(documents(read(DEPLOY / "kubernetes" / name)))[0]
        made, made_pod = shardlanes(injected(read(EXAMPLE), *WISHES, "--mode", mode))[0]
        for key in ("image", "ports", "startupProbe", "livenessProbe", "resources", "restartPolicy"):
            assert made.get(key) == plain.get(key), (mode, key, made.get(key), plain.get(key))
        assert plain["securityContext"].items() <= made["securityContext"].items()


@test
def the_arguments_of_the_injected_sidecar_pass_the_check():
    for mode in ("native", "classic"):
        for flags in (WISHES, [*WISHES, "--port", "9142", "--data-center", "dc1", "--rack", "r1"]):
            (container, _), = shardlanes(injected(read(EXAMPLE), *flags, "--mode", mode))
            command, *words = container["args"]
            assert command == "run"
            said = run(tools.binary(), "check", *words, env={e["name"]: e["value"] for e in container["env"]})
            assert re.search(r"^log.format +json +environment", said, re.MULTILINE), said
            for program, _, *hook in [container["lifecycle"]["postStart"]["exec"]["command"]] if mode == "classic" else []:
                assert program == "/shardlane"
                assert "0.0.0.0:9380" in hook and "--admin=0.0.0.0:9380" in words


@test
def only_lines_for_the_sidecar_are_new_in_our_own_manifests():
    """Texts with comments, octal numbers and all kinds of quotes: every line of theirs is there, in its order."""
    for path in [EXAMPLE, *sorted((DEPLOY / "kubernetes").glob("*.yaml")), *sorted((DEPLOY / "helm").glob("*/ci/*.yaml"))]:
        text = re.sub(r"- name: shardlane$", "- name: another", read(path), flags=re.MULTILINE)
        # What would stand in a sidecar's way besides its name.
        text = re.sub(r"\bshardlane-(config|state|password|tls)$", r"another-\1", text, flags=re.MULTILINE)
        text = re.sub(r"containerPort: (9042|9380)$", r"containerPort: 1\1", text, flags=re.MULTILINE)
        done = subprocess.run([tools.binary(), "inject", "-f", "-", *WISHES], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (path, done.stderr)
        left = iter(done.stdout.splitlines())
        assert all(line in left for line in text.splitlines()), path
        assert ("injected" in done.stderr) == (done.stdout != text), path


@test
def the_snippet_of_the_readme_is_a_sidecar():
    snippet, = re.findall(r"```yaml\n(initContainers:.*?)```", read("README.md"), re.DOTALL)
    container, = yaml.safe_load(snippet)["initContainers"]
    plain, _ = shardlanes(documents(read(DEPLOY / "kubernetes/sidecar.yaml")))[0]
    for key in ("name", "image", "restartPolicy"):
        assert container[key] == plain[key], key
    assert container["startupProbe"]["httpGet"]["path"] == plain["startupProbe"]["httpGet"]["path"]
    run(tools.binary(), "check", *container["args"][1:])
