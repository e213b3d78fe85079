"""Gets the programs: builds ours, installs HAProxy where that is possible."""
import os
import resource
import shutil
import subprocess

from .subjects import NGINX_STREAM, NODES, PROXY

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
KIT_TARGET = os.path.join(ROOT, "target/bench/kit")
FILES = 16_384  # open files that a process may want: two for each of 1,000 clients, and some
KIT = ["nullcql", "cqlload", "frameproxy"]


def all_of(subjects, a):
    """Paths of all programs needed, and the subjects that cannot run with the reason."""
    cargo("the bench kit", "--manifest-path", os.path.join(ROOT, "benches/kit/Cargo.toml"),
          "--target-dir", KIT_TARGET, "--locked")
    paths = {name: os.path.join(KIT_TARGET, "release", name) for name in KIT}
    paths.update(certificates(os.path.join(a.out, "tls")))
    skipped = {}
    for subject, find in (("haproxy", haproxy), ("nginx", nginx), ("shardlane", lambda: product(a))):
        if subject in subjects:
            try:
                paths[subject] = find()
            except Unavailable as e:
                skipped[subject] = str(e)
    return paths, skipped


def raise_file_limit():
    """Lets our children open as many files as the machine allows them, up to what they need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted) if soft != resource.RLIM_INFINITY else soft, hard))


class Unavailable(Exception):
    """A subject cannot run here; the text says why and what to do."""


def cargo(what, *args):
    print(f"building {what} ...", flush=True)
    done = subprocess.run(["cargo", "build", "--release", "--quiet", *args], cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"cannot build {what}: cargo ended with {done.returncode}")


def certificates(folder):
    """An authority, and one certificate that nodes and proxy show."""
    names = {name: os.path.join(folder, file) for name, file in
             (("ca", "ca.crt"), ("cert", "bench.crt"), ("key", "bench.key"), ("both", "bench.pem"))}
    if all(map(os.path.exists, names.values())):
        return names
    os.makedirs(folder, exist_ok=True)
    alternatives, request, ca_key = (os.path.join(folder, file) for file in ("bench.ext", "bench.csr", "ca.key"))
    with open(alternatives, "w") as f:
        f.write("subjectAltName=" + ",".join(f"IP:{ip}" for ip in (*NODES, PROXY)) + "\n")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new, "-keyout", ca_key, "-out", names["ca"], "-days", "3650", "-subj", "/CN=bench authority")
    openssl("req", "-new", *new, "-keyout", names["key"], "-out", request, "-subj", "/CN=bench")
    openssl("x509", "-req", "-in", request, "-CA", names["ca"], "-CAkey", ca_key, "-CAcreateserial", "-days", "3650",
            "-extfile", alternatives, "-out", names["cert"])
    with open(names["both"], "wb") as both:
        for part in ("cert", "key"):
            with open(names[part], "rb") as f:
                both.write(f.read())
    return names


def openssl(*words):
    try:
        done = subprocess.run(["openssl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("the openssl program is missing: it makes the certificates of this bench") from None
    if done.returncode:
        raise SystemExit(f"openssl {words[0]}: {done.stderr[-400:]}")


def product(a):
    if a.shardlane:
        return os.path.abspath(a.shardlane)
    cargo("shardlane", "--bin", "shardlane", "--locked")
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(ROOT, target, "release/shardlane")


def haproxy():
    return shutil.which("haproxy", path=search_path()) or install("haproxy", ["haproxy"])


def nginx():
    path = shutil.which("nginx", path=search_path())
    if path and os.path.exists(NGINX_STREAM):
        return path
    return install("nginx", ["nginx", "libnginx-mod-stream"])


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def install(program, packages):
    """Installs Debian packages without starting their services."""
    apt = shutil.which("apt-get")
    hint = f"install {' '.join(packages)} and run again"
    if not apt:
        raise Unavailable(f"{program} is not installed and there is no apt-get: {hint}")
    if os.geteuid() != 0:
        raise Unavailable(f"{program} is not installed and only root can install it: {hint}")
    print(f"installing {' '.join(packages)} ...", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for args in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run([apt, *args], env=env, capture_output=True, text=True)
    path = shutil.which(program, path=search_path())
    if not path:
        raise Unavailable(f"apt-get could not install {program}: {done.stderr.strip()[-200:]}; {hint}")
    return path
