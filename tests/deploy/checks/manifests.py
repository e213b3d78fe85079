"""The plain manifests and the kustomize components."""
import copy
import shutil
import time
import tomllib

import yaml

import tools
from checks import DEPLOY, documents, folder, read, refused, run, test
from checks.kubernetes import CLASSIC, NATIVE, examine, faults, refusal, settings_of, shardlanes, unfit, unrestricted

FOLDER = DEPLOY / "kubernetes"
SIDECARS = {"sidecar.yaml": NATIVE, "sidecar-unix-socket.yaml": NATIVE, "sidecar-classic.yaml": CLASSIC}


def kustomized(path):
    return documents(run(tools.program("kubectl"), "kustomize", path))


@test
def the_manifests_are_valid_and_restricted_in_every_version():
    for name, versions in SIDECARS.items():
        objects = documents(read(FOLDER / name))
        assert not examine(objects, versions), "%s: %s" % (name, examine(objects, versions))
        assert len(shardlanes(objects)) == 1, name
    for name in ("podmonitor.yaml", "prometheusrule.yaml"):
        for o in documents(read(FOLDER / name)):
            assert not faults(o), "%s: %s" % (name, faults(o))


@test
def a_native_sidecar_starts_first_and_stays():
    for name in ("sidecar.yaml", "sidecar-unix-socket.yaml"):
        (container, pod), = shardlanes(documents(read(FOLDER / name)))
        assert pod["initContainers"][0] is container and container["restartPolicy"] == "Always", name
        assert "readinessProbe" not in container, "a readiness probe would be one of the whole pod"


@test
def the_classic_sidecar_stays_until_the_application_has_ended():
    objects = documents(read(FOLDER / "sidecar-classic.yaml"))
    (container, pod), = shardlanes(objects)
    assert pod["containers"][0] is container, "the kubelet starts it first"
    assert "restartPolicy" not in container
    settings = tomllib.loads(settings_of(objects)[0])
    longest = max(settings["min_sigterm_delay_s"], settings["max_sigterm_delay_s"]) + settings["timeouts"]["drain_ms"] / 1000
    assert 0 < settings["max_sigterm_delay_s"] and longest < pod["terminationGracePeriodSeconds"], longest


@test(alone=True)
def the_hook_of_the_classic_sidecar_waits_until_clients_are_served():
    """The command of the manifest itself, beside a proxy whose cluster comes late."""
    from stage import Stage
    (container, _), = shardlanes(documents(read(FOLDER / "sidecar-classic.yaml")))
    program, *words = container["lifecycle"]["postStart"]["exec"]["command"]
    assert program == "/shardlane" and words[-2:] == ["--config", "/etc/shardlane/shardlane.toml"], words
    with Stage() as stage:
        admin = stage.address(9) + ":9380"
        settings = stage.file("shardlane.toml", 'contact_points = ["%s"]\nbind = "%s:9042"\nadmin = "%s"\n' % (
            stage.address(1), stage.address(9), admin))
        stage.start([tools.binary(), "run", "--config", settings], "proxy")
        hook = stage.start([tools.binary(), *words[:-1], settings], "hook")
        time.sleep(1)
        assert hook.process.poll() is None, "the hook does not wait: %s" % hook.last_errors()
        stage.sim(1, 2, 16)
        assert hook.wait(30) == 0, hook.last_errors()


@test
def the_three_variants_and_the_component_differ_only_where_they_must():
    wanted = ("image", "args", "ports", "startupProbe", "livenessProbe", "resources")
    first, *others = [shardlanes(documents(read(FOLDER / name)))[0][0] for name in SIDECARS]
    others.append(shardlanes(documents(read(FOLDER / "kustomize/sidecar/sidecar.yaml")))[0][0])
    for other in others:
        assert {k: other[k] for k in wanted} == {k: first[k] for k in wanted}


@test
def the_pod_monitor_finds_the_sidecars():
    monitor, = documents(read(FOLDER / "podmonitor.yaml"))
    labels = monitor["spec"]["selector"]["matchLabels"]
    port = monitor["spec"]["podMetricsEndpoints"][0]["port"]
    for objects in [*(documents(read(FOLDER / name)) for name in SIDECARS), kustomized(FOLDER / "kustomize/example")]:
        for o in objects:
            if o["kind"] == "Deployment" and shardlanes([o]):
                assert labels.items() <= o["spec"]["template"]["metadata"]["labels"].items(), o["metadata"]["name"]
                assert port in [p["name"] for p in shardlanes([o])[0][0]["ports"]]


@test
def the_settings_in_the_manifests_pass_the_check():
    for objects in [*(documents(read(FOLDER / name)) for name in SIDECARS), kustomized(FOLDER / "kustomize/example")]:
        for settings in settings_of(objects):
            assert not refusal(settings), refusal(settings)
    assert "contact_pionts" in refusal('contact_pionts = ["a"]\n'), "a misspelt setting passed"


@test
def the_component_adds_the_sidecar_to_every_workload_but_those_that_want_none():
    objects = kustomized(FOLDER / "kustomize/example")
    assert not examine(objects), examine(objects)
    with_it = {o["metadata"]["name"] for o in objects if o["kind"] == "Deployment" and shardlanes([o])}
    assert with_it == {"orders"}, with_it
    (container, pod), = shardlanes(objects)
    assert [c["name"] for c in pod["initContainers"]] == ["shardlane", "migrate"], "migrations want the cluster, too"
    name, = [v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v]
    assert name.startswith("shardlane-") and name in [o["metadata"]["name"] for o in objects], name
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


@test
def the_component_serves_jobs_and_stateful_sets():
    with folder() as path:
        shutil.copytree(FOLDER / "kustomize", path / "kustomize")
        example = path / "kustomize/example"
        pod = {"containers": [{"name": "a", "image": "a:1"}], "restartPolicy": "Never"}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "load"}, "spec": {"template": {"spec": pod}}}
        (example / "deployment.yaml").write_text(yaml.safe_dump(job))
        objects = kustomized(example)
        (container, _), = shardlanes(objects)
        assert container.get("restartPolicy") == "Always" and not unfit(container), container
        assert not [f for o in objects for f in faults(o)]


@test
def wrong_manifests_are_noticed():
    """The checks above, on manifests that are wrong in one way each."""
    good = documents(read(FOLDER / "sidecar.yaml"))

    def changed(change):
        objects = copy.deepcopy(good)
        change(*shardlanes(objects)[0])
        return examine(objects)

    def misspell(container, _):
        container["restartPolicyy"] = container.pop("restartPolicy")
    said = changed(misspell)
    assert len(said) == len(NATIVE) and "restartPolicyy" in said[0], said
    for what, change in {
        "runAsNonRoot": lambda c, pod: pod["securityContext"].pop("runAsNonRoot"),
        "seccomp": lambda c, pod: pod["securityContext"].pop("seccompProfile"),
        "capabilities": lambda c, pod: c["securityContext"].pop("capabilities"),
        "allowPrivilegeEscalation": lambda c, pod: c["securityContext"].pop("allowPrivilegeEscalation"),
        "root": lambda c, pod: c["securityContext"].update(runAsUser=0),
        "hostPath": lambda c, pod: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        "hostNetwork": lambda c, pod: pod.update(hostNetwork=True),
        "port of the host": lambda c, pod: c["ports"][0].update(hostPort=9380),
        "timeoutSeconds": lambda c, pod: c["livenessProbe"].pop("timeoutSeconds"),
        "limit of memory": lambda c, pod: c["resources"]["limits"].update(cpu="1"),
        "can be written": lambda c, pod: c["securityContext"].pop("readOnlyRootFilesystem"),
    }.items():
        assert any(what in fault for fault in changed(change)), "%s: %s" % (what, changed(change))
    assert not unfit(shardlanes(good)[0][0]) and not unrestricted(shardlanes(good)[0][1])
    monitor, = documents(read(FOLDER / "podmonitor.yaml"))
    endpoint = monitor["spec"]["podMetricsEndpoints"][0]
    endpoint["intervall"] = endpoint.pop("interval")
    assert any("intervall" in fault for fault in faults(monitor)), faults(monitor)


@test
def the_native_sidecar_is_not_for_older_clusters():
    """That is what sidecar-classic.yaml is for: the schema of 1.27 does not know the field."""
    said = [f for o in documents(read(FOLDER / "sidecar.yaml")) for f in faults(o, ["1.27"])]
    assert any("restartPolicy" in fault for fault in said), said


@test
def hadolint_accepts_the_dockerfile_and_refuses_a_bad_one():
    hadolint = tools.program("hadolint")
    run(hadolint, DEPLOY.parent / "Dockerfile")
    with folder() as path:
        (path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp\n")
        assert "DL3007" in refused(hadolint, path / "Dockerfile")
