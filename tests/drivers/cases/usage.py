"""Wrong flags and wrong files: exit code 2, every fault named at once, and not one secret."""
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from stage import ROOT, case, log, program


def shardlane(*words, env=None):
    done = subprocess.run([program(), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20, env={**os.environ, **(env or {})})
    said = done.stdout + done.stderr
    log(" ".join(map(str, words)), "->", done.returncode, "|", " / ".join(said.split("\n"))[:600])
    return done.returncode, said


def refuses(words, *mentioned, env=None):
    code, said = shardlane(*words, env=env)
    assert code == 2, "exit code %d for %s: %s" % (code, words, said[:300])
    missing = [word for word in mentioned if word not in said]
    assert not missing, "%s does not say %s: %s" % (words, missing, said[:600])
    return said


@case(deadline=60)
def wrong_usage_is_refused_with_every_fault(stage):
    refuses(["run", "--no-such-flag"], "--no-such-flag")
    refuses(["no-such-command"], "no-such-command")
    refuses(["run", "-c", "a", "--port", "99999", "--workers", "many", "--bind", "nowhere"], "port", "workers", "bind")
    refuses(["run", "--config", "/no/such/file.toml"], "/no/such/file.toml")
    refuses(["run"], "contact_points")
    refuses(["sim", "--nodes", "0", "--like", "1.0"], "--nodes")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bad.toml")
        file.write_text('contact_points = ["a"]\nport = 0\nworkers = -1\nno_such_key = 1\n[limits]\nclients_max = "x"\n')
        for command in ("run", "check"):
            said = refuses([command, "--config", file], "port", "workers", "no_such_key", "clients_max")
            first, *faults = said.splitlines()
            assert first == "shardlane: 4 faults in the configuration" and len(faults) == 4, said
            assert all(str(file) in fault for fault in faults), "a fault without its place: %s" % said
        refuses(["check", "-c", "a"], "SHARDLANE_WORKRES", "SHARDLANE_PORT",
                env={"SHARDLANE_WORKRES": "2", "SHARDLANE_PORT": "x"})


@case(deadline=60)
def the_shipped_settings_pass_the_check(stage):
    for name in ("shardlane.toml", "sidecar.toml"):
        code, said = shardlane("check", "--config", ROOT / "config" / name, "-c", "127.0.0.1")
        assert code == 0, "%s: %s" % (name, said[:600])
    text = (ROOT / "deploy/kubernetes/sidecar.yaml").read_text().split("shardlane.toml: |\n")[1].split("\n---")[0]
    with tempfile.TemporaryDirectory() as folder:
        password = Path(folder, "password")
        password.write_text("not-to-be-seen\n")
        file = Path(folder, "sidecar.toml")
        file.write_text("\n".join(line[4:] for line in text.split("\n")))
        code, said = shardlane("check", "--config", file, "--password-file", password)
        assert code == 0, "deploy/kubernetes/sidecar.yaml: %s" % said[:600]
        assert "not-to-be-seen" not in said, "check shows the password"


@case(deadline=60, python="python-schema")
def the_shipped_settings_satisfy_their_schema(stage):
    import jsonschema
    import tomli

    schema = json.loads((ROOT / "config/shardlane.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    shipped = (ROOT / "config/shardlane.toml").read_text()
    # The settings that are unset by default stand there as comments.
    uncommented = re.sub(r"^# (\w+ = )", r"\1", shipped, flags=re.MULTILINE)
    assert uncommented != shipped
    for name, text in [("shardlane.toml", shipped), ("shardlane.toml, all of it", uncommented),
                       ("sidecar.toml", (ROOT / "config/sidecar.toml").read_text())]:
        faults = [error.message for error in judge.iter_errors(tomli.loads(text))]
        log("%s: %d faults" % (name, len(faults)))
        assert not faults, "%s: %s" % (name, faults)
    for wrong in ({"prot": 1}, {"port": 0}, {"port": "9042"}, {"limits": {"clients": 1}}, {"lanes": {"per": "core"}},
                  {"contact_points": "a"}, {"translate": [{"from": "10.0.0.1"}]}, {"tls": {"verify_name": "no"}}):
        assert not judge.is_valid(wrong), "the schema takes %s" % wrong
