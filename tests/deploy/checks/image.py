"""The image, without a Docker engine: the tree that the Dockerfile describes, and the program in it as its only root.

The program is the debug build that `make test` has made anyway: the release build takes minutes. What is tested is the
tree, not the speed.
"""
import json
import os
import re
import stat
import subprocess

import cyclonedx.schema
import cyclonedx.validation.json

import rooms
import tools
from checks import Skip, folder, read, run, test


def instructions():
    """The stages of the Dockerfile: for each a list of (instruction, arguments)."""
    text = re.sub(r"^\s*#.*\n", "", read("Dockerfile"), flags=re.MULTILINE)
    stages = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            if name == "FROM":
                stages.append([])
            stages[-1].append((name, rest)) if stages else None
    return stages


def only(name):
    """The arguments of the one instruction of that name in the last stage."""
    rest, = [rest for n, rest in instructions()[-1] if n == name]
    return rest


def make_tree(path, program=None):
    """Runs the build stage's own command that puts the tree together, with the debug build or another one."""
    command, = [rest for n, rest in instructions()[0] if n == "RUN" and "/image" in rest and "strip " in rest]
    built = "target/release/shardlane"
    assert command.count(built) == 1, "the Dockerfile has changed its form: %s" % command
    command = command.replace(built, str(program or tools.binary())).replace("/image", str(path))
    run("bash", "-o", "pipefail", "-ec", command)
    assert only("COPY") == "--from=build /image /"


# What is ours in the image may take, MB.
OURS_MB = 15


@test
def the_program_of_the_image_names_its_functions_and_no_places_in_the_code():
    with folder() as path:
        make_tree(path / "tree")
        before, after = (run("readelf", "--section-headers", "--wide", p) for p in (tools.binary(), path / "tree/shardlane"))
        assert ".debug_info" in before and ".debug_info" not in after, "the Dockerfile does not strip"
        assert ".symtab" in after, "backtraces would have no names"


@test
def the_released_program_in_the_image_is_small():
    """`make test` makes no release build, which takes minutes; the nightly run has one."""
    released = tools.TARGET / "release/shardlane"
    if not released.exists():
        raise Skip("there is no release build: cargo build --release --locked --no-default-features --bin shardlane")
    with folder() as path:
        make_tree(path / "tree", released)
        size = (path / "tree/shardlane").stat().st_size / 1e6
        assert 5 < size < OURS_MB, "the program takes %.1f MB of the image" % size


def start_words():
    return json.loads(only("ENTRYPOINT")), json.loads(only("CMD"))


@test
def the_tree_holds_the_program_its_libraries_and_nothing_else():
    with folder() as path:
        make_tree(path / "tree")
        files = sorted(str(p.relative_to(path / "tree")) for p in (path / "tree").rglob("*") if not p.is_dir())
        strange = [f for f in files if not re.fullmatch(r"shardlane|(usr/)?lib(64)?/.*\.so(\.\d+)*|etc/ssl/certs/ca-certificates\.crt", f)]
        assert not strange and "shardlane" in files and any("ld-linux" in f for f in files), files
        for file in (path / "tree").rglob("*"):
            assert not file.is_symlink(), "%s leads elsewhere" % file
            assert not file.stat().st_mode & (stat.S_ISUID | stat.S_ISGID), "%s changes the user" % file
        names = run("ldd", tools.binary())
        assert not set(re.findall(r"(lib(?:ssl|crypto|z)\b)", names)), "TLS comes with the program: %s" % names


@test
def the_image_runs_as_a_number_and_starts_the_proxy():
    assert only("USER") == "65532:65532"
    assert start_words() == (["/shardlane"], ["run"])


@test
def the_labels_name_the_version_of_the_program():
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', only("LABEL")))
    version, = re.findall(r'^version = "(.+)"', read("Cargo.toml"), re.MULTILINE)[:1]
    description, = re.findall(r'^description = "(.+)"', read("Cargo.toml"), re.MULTILINE)
    assert labels == {"title": "shardlane", "description": description, "version": version, "revision": "${REVISION}",
                      "licenses": "Apache-2.0"}, labels


@test(alone=True)
def the_program_serves_in_an_empty_root_with_tls_names_and_a_unix_socket():
    from certificates import Authority
    from stage import Stage, fetch, until
    rooms.allowed()
    user = only("USER")
    with folder() as path, Stage() as stage:
        tree = path / "tree"
        make_tree(tree)
        nodes = Authority(path, "nodes")
        cert, key = nodes.sign("node", "DNS:scylla.test")
        sim = stage.sim(2, 2, 16, 1, "--tls-cert", cert, "--tls-key", key)
        server = rooms.NameServer(stage.address(53), {"scylla.test": sim.hosts[0]})
        stage.callback(server.close)
        (path / "resolv.conf").write_text("nameserver %s\n" % stage.address(53))
        # Files that the user can read, as a mounted secret is.
        (path / "ca.crt").write_bytes(nodes.ca.read_bytes())
        for name in ("ca.crt", "resolv.conf"):
            (path / name).chmod(0o444)
        admin = "%s:9380" % stage.address(9)
        entry, command = start_words()
        # The socket's folder is shared with the application: here by a folder of the host.
        shared = path / "shared"
        shared.mkdir()
        os.chown(shared, 65532, 65532)
        path.chmod(0o755)
        mounts = {"/etc/resolv.conf": path / "resolv.conf", "/run/secrets/tls/ca.crt": path / "ca.crt"}
        (tree / "run/shardlane").mkdir(parents=True)
        started = rooms.in_image(tree, mounts, [
            *entry, *command, "-c", "scylla.test", "--port", "9142", "--tls-ca", "/run/secrets/tls/ca.crt",
            "--bind", "unix:/run/shardlane/cql.sock", "--admin", admin], user)
        started[-1] = started[-1].replace("\nexec ", "\n%s\nexec " % rooms.quoted(
            "mount", "--bind", shared, tree / "run/shardlane"))
        child = stage.start(started, "image")

        def ready():
            assert child.process.poll() is None, "it ended with %s: %s" % (child.process.poll(), child.last_errors())
            try:
                return fetch("http://%s/readyz" % admin)[0] == 200
            except OSError:
                return False
        until("the program in its image is ready", ready, 30)
        status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % child.process.pid) if ":\t" in line)
        assert status["Uid"].split() == ["65532"] * 4 and status["Gid"].split() == ["65532"] * 4, status
        assert int(status["CapEff"], 16) == 0 and status["Groups"].strip() in ("", "65532"), status
        assert "scylla.test" in server.asked, "the name was not asked: %s" % server.asked
        metrics = fetch("http://%s/metrics" % admin)[1]
        opened = sum(float(v) for v in re.findall(r'shardlane_lanes\{[^}]*state="open"\} (\S+)', metrics))
        assert opened > 0 and "process_resident_memory_bytes" in metrics, metrics
        client = rooms.Cql(shared / "cql.sock")
        opcode, body = client.query("SELECT cluster_name FROM system.local")
        assert opcode == 0x08 and b"cluster_name" in body, (opcode, body)
        client.socket.close()
        child.process.terminate()
        assert child.wait(20) == 0, child.last_errors()
        assert not (shared / "cql.sock").exists(), "the Unix socket's file is still there"


@test(alone=True)
def nothing_in_the_image_can_be_written_to():
    rooms.allowed()
    with folder() as path:
        make_tree(path / "tree")
        words = rooms.in_image(path / "tree", {}, ["/shardlane", "--version"], only("USER"))
        # `touch` by the root of this machine: even that is refused.
        words[-1] = words[-1].replace("\nexec ", "\n%s && exit 9\nexec " % rooms.quoted("touch", path / "tree/x"))
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.startswith("shardlane "), (done.returncode, done.stdout, done.stderr)
        assert "Read-only file system" in done.stderr, done.stderr


@test
def the_bill_of_materials_is_valid_and_whole():
    text = run("deploy/image/sbom", cwd=tools.ROOT)
    made = json.loads(text)
    validator = cyclonedx.validation.json.JsonStrictValidator(cyclonedx.schema.SchemaVersion.V1_5)
    fault = validator.validate_str(text)
    assert fault is None, fault
    names = {c["name"] for c in made["components"]}
    assert {"tokio", "rustls", "ring", "hyper", "prometheus", "shardlane-cql"} <= names, names
    # Neither what only tests it, nor the simulated cluster, nor macros.
    assert not names & {"proptest", "rcgen", "shardlane-sim", "clap_derive", "serde_derive"}, names
    unnamed = {c["name"] for c in made["components"] if "licenses" not in c or not (c.get("hashes") or c["name"] == "shardlane-cql")}
    assert not unnamed, "without a licence or a checksum: %s" % unnamed
    listed = {d["ref"] for d in made["dependencies"]}
    assert listed == {c["bom-ref"] for c in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    locked = read("Cargo.lock")
    assert all('name = "%s"\nversion = "%s"' % (c["name"], c["version"]) in locked for c in made["components"])
    demo = json.loads(run("deploy/image/sbom", "--features", "demo", cwd=tools.ROOT))
    assert "shardlane-sim" in {c["name"] for c in demo["components"]}


@test
def the_build_context_holds_what_the_build_needs():
    ignored = read(".dockerignore").split()
    if "*" not in ignored:
        raise Skip(".dockerignore lets everything in")
    for wanted in ("Cargo.toml", "Cargo.lock", "src", "crates", "benches"):
        assert "!" + wanted in ignored, wanted
    manifest = read("Cargo.toml")
    for bench in re.findall(r'\[\[bench\]\]\nname = "(\w+)"', manifest):
        assert (tools.ROOT / "benches" / (bench + ".rs")).exists() or (tools.ROOT / "benches" / bench).exists(), bench
