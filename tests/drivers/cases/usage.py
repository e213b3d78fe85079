"""Wrong flags and wrong files: exit code 2, every fault named at once, and not one secret."""
import os
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
            refuses([command, "--config", file], "port", "workers", "no_such_key", "clients_max")
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
