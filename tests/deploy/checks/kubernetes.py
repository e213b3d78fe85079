"""What the tests ask of Kubernetes objects: valid in every version, restricted, with settings that shardlane takes."""
import copy
import functools
import re
import subprocess

import jsonschema
import kubernetes_validate
import yaml

import tools
from checks import documents, folder

# Native sidecars are on by default since 1.29.
NATIVE = ["1.%d" % minor for minor in range(29, 38)]
CLASSIC = ["1.%d" % minor for minor in range(25, 38)]
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet", "Job")
# Volumes that the "restricted" profile allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

# Groups of custom resources, with the folder of their definitions.
CUSTOM = {"monitoring.coreos.com": tools.crds, "cert-manager.io": tools.cert_manager_crds}


@functools.lru_cache
def custom(group, kind):
    """The schema of a custom resource, with unknown fields forbidden as the API server warns."""
    path = CUSTOM[group]() / ("%s_%ss.yaml" % (group, kind.lower()))
    definition, = documents(path.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    def close(node):
        if isinstance(node, dict):
            if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
                node.setdefault("additionalProperties", False)
            if node.pop("x-kubernetes-int-or-string", False):
                node.pop("type", None)
            for child in node.values():
                close(child)
        elif isinstance(node, list):
            for child in node:
                close(child)
    schema = copy.deepcopy(schema)
    close(schema["properties"]["spec"])
    return schema


def faults(document, versions=NATIVE):
    """What is wrong with an object in some version of Kubernetes; nothing when it is valid in all."""
    kind, group = document.get("kind"), str(document.get("apiVersion")).rpartition("/")[0]
    if group in CUSTOM:
        found = jsonschema.Draft7Validator(custom(group, kind)).iter_errors(document)
        return ["%s: %s" % (kind, e.message) for e in found]
    problems = []
    for version in versions:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as e:
            problems.append("%s in %s: %s: %s" % (kind, version, ".".join(map(str, e.path)), e.message))
        except kubernetes_validate.SchemaNotFoundError:
            problems.append("%s %s is not in Kubernetes %s" % (document.get("apiVersion"), kind, version))
    return problems


def pods(objects):
    """Name and pod of each workload."""
    for o in objects:
        if o["kind"] in WORKLOADS:
            yield "%s %s" % (o["kind"], o["metadata"]["name"]), o["spec"]["template"]["spec"]
        elif o["kind"] == "Pod":
            yield "Pod %s" % o["metadata"]["name"], o["spec"]


def containers(pod):
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def shardlanes(objects):
    """The containers of shardlane, with their pods."""
    return [(c, pod) for _, pod in pods(objects) for c in containers(pod) if c["name"] == "shardlane"]


def unrestricted(pod):
    """What the profile "restricted" of the pod security standards forbids."""
    found = ["%s is set" % key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    for volume in pod.get("volumes", []):
        if not VOLUMES & set(volume):
            found.append("volume %s is a %s" % (volume["name"], set(volume) - {"name"}))
    outer = pod.get("securityContext", {})
    for c in containers(pod):
        own = c.get("securityContext", {})

        def effective(key):
            return own.get(key, outer.get(key))
        checks = {
            "allowPrivilegeEscalation is not false": own.get("allowPrivilegeEscalation") is False,
            "not all capabilities are dropped": own.get("capabilities", {}).get("drop") == ["ALL"],
            "capabilities are added": set(own.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"},
            "privileged": not own.get("privileged"),
            "runAsNonRoot is not true": effective("runAsNonRoot") is True,
            "it runs as root": effective("runAsUser") != 0,
            "no seccomp profile": (effective("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost"),
            "a port of the host": not any(p.get("hostPort") for p in c.get("ports", [])),
        }
        found += ["%s: %s" % (c["name"], text) for text, good in checks.items() if not good]
    return found


def unfit(container):
    """What a container of shardlane should have and has not."""
    found = []
    for probe in ("startupProbe", "livenessProbe"):
        if not container.get(probe, {}).get("timeoutSeconds"):
            found.append("%s without timeoutSeconds" % probe)
    security = container.get("securityContext", {})
    if security.get("readOnlyRootFilesystem") is not True:
        found.append("its file system can be written to")
    if security.get("runAsUser") != 65532:
        found.append("it is not user 65532")
    resources = container.get("resources", {})
    if not resources.get("limits", {}).get("memory") or "cpu" in resources.get("limits", {}):
        found.append("it wants a limit of memory, and none of CPU")
    if any("assword" in a and "file" not in a for a in container.get("args", [])):
        found.append("a password among its arguments")
    return found


@functools.lru_cache
def certificate():
    """A certificate and its key, PEM: what settings name is read by `check`."""
    with folder() as path:
        tools.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                   path / "key", "-out", path / "cert", "-days", 2, "-subj", "/CN=node"])
        return (path / "cert").read_text(), (path / "key").read_text()


def refusal(settings, environment=None):
    """What `shardlane check` says against settings; the files that they name are put where it finds them."""
    cert, key = certificate()
    with folder() as path:
        def place(match):
            file = path / match.group(1).strip("/").replace("/", "-")
            file.write_text("secret" if "password" in file.name else key if file.name.endswith("key") else cert)
            return '"%s"' % file
        settings = re.sub(r'"((?:/run/secrets|/etc)/[^"]+)"', place, settings)
        (path / "shardlane.toml").write_text(settings)
        done = subprocess.run([tools.binary(), "check", "--config", path / "shardlane.toml"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment or {}, timeout=30)
    return done.stderr.strip() if done.returncode else ""


def settings_of(objects):
    """Each text of settings in the ConfigMaps."""
    found = [o["data"]["shardlane.toml"] for o in objects if o["kind"] == "ConfigMap" and "shardlane.toml" in o.get("data", {})]
    assert found, "no ConfigMap with shardlane.toml"
    return found


def examine(objects, versions=NATIVE):
    """All that is wrong with a set of objects."""
    problems = [fault for o in objects for fault in faults(o, versions)]
    for name, pod in pods(objects):
        problems += ["%s: %s" % (name, fault) for fault in unrestricted(pod)]
    for container, _ in shardlanes(objects):
        problems += unfit(container)
    return problems


def text_of(objects):
    return yaml.safe_dump_all(objects)
