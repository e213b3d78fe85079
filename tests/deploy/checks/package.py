"""The Debian package: made of the debug build, installed, run, upgraded and removed on a copy of this machine's root."""
import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess

import rooms
import tools
from checks import DEPLOY, Skip, folder, run, test

UNIT = DEPLOY / "debian/shardlane.service"


@functools.lru_cache
def built():
    """Two packages, the second one newer."""
    for name in ("dpkg-deb", "objdump", "strip"):
        if not shutil.which(name):
            raise tools.Missing("%s is not on this machine" % name)
    place = tools.FOLDER / "debian"
    shutil.rmtree(place, ignore_errors=True)
    build = DEPLOY / "debian/build"
    old = run(build, tools.binary(), place, seconds=300).strip()
    return old, run(build, tools.binary(), place, "--version", "0.1.1~test", seconds=300).strip()


def packages():
    with tools.LOCKS["packages"]:
        return built()


@test
def the_package_holds_program_unit_settings_and_pages():
    old, _ = packages()
    listed = {line.split()[-1]: line.split() for line in run("dpkg-deb", "--contents", old).splitlines()}
    for path, mode in {"./usr/bin/shardlane": "-rwxr-xr-x", "./lib/systemd/system/shardlane.service": "-rw-r--r--",
                       "./etc/shardlane/shardlane.toml": "-rw-r--r--", "./usr/share/man/man1/shardlane-run.1.gz": "-rw-r--r--",
                       "./usr/share/bash-completion/completions/shardlane": "-rw-r--r--",
                       "./usr/share/zsh/vendor-completions/_shardlane": "-rw-r--r--",
                       "./usr/share/fish/vendor_completions.d/shardlane.fish": "-rw-r--r--", "./usr/share/doc/shardlane/copyright": "-rw-r--r--"}.items():
        assert path in listed and listed[path][:2] == [mode, "root/root"], (path, listed.get(path))
    control = run("dpkg-deb", "--field", old)
    assert re.search(r"^Depends: libc6 \(>= \d\.\d+\), libgcc-s1, passwd$", control, re.MULTILINE), control
    assert run("dpkg-deb", "--info", old, "conffiles").strip() == "/etc/shardlane/shardlane.toml"
    # dpkg asks, and an unattended upgrade stops, where an edited file comes in another form: nothing of it is generated.
    assert "./usr/share/doc/shardlane/shardlane.toml" in listed
    with folder() as tree:
        run("dpkg-deb", "--extract", old, tree)
        settings = (tree / "etc/shardlane/shardlane.toml").read_text()
    assert settings == (DEPLOY / "debian/shardlane.toml").read_text()
    assert all(line.startswith("#") or not line for line in settings.splitlines()), "a default is set"


@test
def bash_completes_commands_flags_and_their_values():
    script = DEPLOY / "shell/shardlane.bash"
    for words, wanted, unwanted in [
            (["shardlane", "do"], "doctor", "demo"),
            (["shardlane", "run", "--tls-"], "--tls-server-name", "--bind"),
            (["shardlane", "inject", "--ser"], "--serve", "--cert"),
    ]:
        line = 'source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _shardlane shardlane "%s" "%s"; echo "${COMPREPLY[@]}"' % (
            script, " ".join('"%s"' % w for w in words), len(words) - 1, words[-1], words[-2])
        said = run("bash", "--norc", "-c", line).split()
        assert wanted in said and unwanted not in said, (words, said)


@test
def other_shells_can_read_their_completions():
    missing = [shell for shell in ("zsh", "fish") if not shutil.which(shell)]
    if len(missing) == 2:
        raise Skip("neither zsh nor fish is on this machine")
    for shell, name in {"zsh": "_shardlane", "fish": "shardlane.fish"}.items():
        if shell not in missing:
            run(shell, "-n", DEPLOY / "shell" / name)


@test
def there_is_a_sound_manual_page_for_each_command():
    commands = re.findall(r"^  ([a-z]+) ", run(tools.binary(), "--help").partition("Commands:")[2], re.MULTILINE)
    wanted = {"shardlane.1"} | {"shardlane-%s.1" % c for c in commands if c not in ("demo", "sim", "help")}
    assert {p.name for p in (DEPLOY / "man").iterdir()} == wanted
    if not shutil.which("groff"):
        raise Skip("groff is not on this machine")
    for page in sorted((DEPLOY / "man").iterdir()):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True, timeout=60)
        assert not done.returncode and not done.stderr, "%s: %s" % (page.name, done.stderr[-400:])


@test
def the_unit_is_sound_and_confined():
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not on this machine")
    with folder() as path:
        # Its program is not installed on this machine.
        unit = path / "shardlane.service"
        unit.write_text(UNIT.read_text().replace("/usr/bin/shardlane", str(tools.binary())))
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "shardlane.service" in line]
        assert not ours, ours
        unit.write_text(unit.read_text() + "\n[Service]\nNoSuchKey=1\n")
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
        assert "NoSuchKey" in done.stdout + done.stderr, "a misspelt key passed"
    said = run("systemd-analyze", "security", "--offline=true", UNIT)
    exposure, = re.findall(r"exposure level for shardlane.service: ([\d.]+)", said)
    assert float(exposure) < 2, said[-400:]


SCRIPT = r"""
export DEBIAN_FRONTEND=noninteractive
fail() { echo "FAILED: $*"; exit 1; }
dpkg --force-depends --install @OLD@ 2>&1
getent passwd shardlane > /dev/null || fail "no user"
[ "$(stat -c '%U:%G %a' /etc/shardlane)" = "root:shardlane 750" ] || fail "rights of /etc/shardlane"
[ "$(stat -c '%U:%G %a' /etc/shardlane/shardlane.toml)" = "root:shardlane 640" ] || fail "rights of the settings"
if shardlane check --config /etc/shardlane/shardlane.toml > /dev/null 2>&1; then fail "no contact point is set, and that passed"; fi
echo 'contact_points = ["@NODE@"]' | cat - /etc/shardlane/shardlane.toml > /tmp/edited
cat /tmp/edited > /etc/shardlane/shardlane.toml
as="setpriv --reuid shardlane --regid shardlane --clear-groups --no-new-privs"
$as cat /etc/shardlane/shardlane.toml > /dev/null || fail "the service cannot read its settings"
if $as sh -c 'echo >> /etc/shardlane/shardlane.toml' 2> /dev/null; then fail "the service can change its settings"; fi
sed -n 's/^ExecStart=//p' /lib/systemd/system/shardlane.service > /tmp/start
mkdir -p /run/shardlane && chown shardlane /run/shardlane
SHARDLANE_BIND=@ADDRESS@:9042,unix:/run/shardlane/cql.sock SHARDLANE_ADMIN=@ADDRESS@:9380 $as $(cat /tmp/start) 2> /tmp/log &
pid=$!
for i in $(seq 100); do
    if python3 -c 'import urllib.request; urllib.request.urlopen("http://@ADDRESS@:9380/readyz", timeout=1)' 2> /dev/null; then break; fi
    kill -0 $pid 2> /dev/null || fail "it ended: $(cat /tmp/log)"
    sleep 0.2
done
[ $i -lt 100 ] || fail "it is not ready: $(cat /tmp/log)"
[ -S /run/shardlane/cql.sock ] || fail "no Unix socket"
kill -TERM $pid
wait $pid || fail "it ended with $?: $(cat /tmp/log)"
# What systemd is to the package's scripts: it knows the main process, as that reported itself, and sends it signals.
mkdir -p /run/systemd/system
cat > /usr/local/bin/systemctl << 'EOF'
#!/bin/sh
case "$*" in
    *MainPID*) cat /tmp/main ;;
    *StatusText*) cat /tmp/status ;;
    kill*USR2*) kill -USR2 $(cat /tmp/main) ;;
    *daemon-reload*) ;;
    *) echo "$*" >> /tmp/asked ;;
esac
EOF
cat > /usr/local/bin/deb-systemd-invoke << 'EOF'
#!/bin/sh
echo "$*" >> /tmp/asked
EOF
cp /usr/local/bin/systemctl /usr/local/bin/deb-systemd-invoke /usr/bin/
chmod 755 /usr/local/bin/* /usr/bin/systemctl /usr/bin/deb-systemd-invoke
cat > /tmp/manager.py << 'EOF'
import os, socket
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("/tmp/notify")
os.chmod("/tmp/notify", 0o666)
def keep(name, text):
    open(name + ".new", "w").write(text)
    os.rename(name + ".new", name)
keep("/tmp/main", "0")
keep("/tmp/status", "")
while True:
    said = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
    if "MAINPID" in said:
        keep("/tmp/main", said["MAINPID"])
    if "STATUS" in said:
        keep("/tmp/status", said["STATUS"])
EOF
python3 /tmp/manager.py > /dev/null 2>&1 &
manager=$!
for i in $(seq 100); do [ -S /tmp/notify ] && break; sleep 0.1; done
export SHARDLANE_BIND=@ADDRESS@:9042 SHARDLANE_ADMIN=@ADDRESS@:9380 NOTIFY_SOCKET=/tmp/notify
$as $(cat /tmp/start) > /dev/null 2> /tmp/log &
for i in $(seq 100); do [ "$(cat /tmp/main)" != 0 ] && break; sleep 0.2; done
old=$(cat /tmp/main)
[ "$old" != 0 ] || fail "it never said that it serves: $(cat /tmp/log)"
cat > /tmp/load.py << 'EOF'
# Reads over one connection that it keeps, and over a new one for each request, until it gets a signal.
import signal, socket, struct
going, done, failed = True, 0, []
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
def ask(s, opcode, body):
    s.sendall(struct.pack(">BBhBi", 4, 0, 1, opcode, len(body)) + body)
    head = s.recv(9, socket.MSG_WAITALL)
    assert len(head) == 9, "the connection was closed"
    answer = s.recv(struct.unpack(">i", head[5:])[0], socket.MSG_WAITALL)
    assert head[4] != 0, answer
def connected():
    s = socket.create_connection(("@ADDRESS@", 9042), 10)
    ask(s, 1, b"\0\1\0\x0bCQL_VERSION\0\x053.0.0")
    return s
def query(s, text):
    ask(s, 7, struct.pack(">i", len(text)) + text.encode() + b"\0\1\0")
kept = connected()
query(kept, "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}")
query(kept, "CREATE TABLE shop.carts (id int PRIMARY KEY, what text)")
while going:
    try:
        kept = kept or connected()
        query(kept, "SELECT what FROM shop.carts WHERE id = %d" % done)
        with connected() as s:
            query(s, "SELECT what FROM shop.carts WHERE id = %d" % done)
        done += 2
    except Exception as error:
        failed.append(repr(error))
        kept = None
open("/tmp/load.out", "w").write("%d done, %d failed %s" % (done, len(failed), failed[:3]))
EOF
python3 /tmp/load.py &
load=$!
sleep 1
dpkg --force-depends --install @NEW@ 2>&1
sleep 1
kill -TERM $load
wait $load || fail "the load has ended: $(cat /tmp/log)"
grep -q '^[1-9][0-9]* done, 0 failed' /tmp/load.out || fail "requests during the upgrade: $(cat /tmp/load.out)"
new=$(cat /tmp/main)
[ "$new" != "$old" ] || fail "the process was not replaced: $(cat /tmp/log)"
if grep -q restart /tmp/asked 2> /dev/null; then fail "it was restarted as well"; fi
[ "$(readlink /proc/$new/exe)" = /usr/bin/shardlane ] || fail "the new process is $(readlink /proc/$new/exe)"
for i in $(seq 100); do kill -0 $old 2> /dev/null || break; sleep 0.1; done
if kill -0 $old 2> /dev/null; then fail "the old process is still there"; fi
ready() { python3 -c 'import urllib.request; urllib.request.urlopen("http://@ADDRESS@:9380/readyz", timeout=5)' 2> /dev/null; }
# Where the new process reaches no node, the old one goes on: it reads the same file again, and keeps its lanes.
sed -i 's/^contact_points = .*/contact_points = ["@ADDRESS@:9"]/' /etc/shardlane/shardlane.toml
/var/lib/dpkg/info/shardlane.postinst configure 0.1.0 > /tmp/said
cat /tmp/said
grep -q 'goes on.* has ended: .*no lane to any node' /tmp/said || fail "no word of the new process: $(cat /tmp/said /tmp/status)"
[ "$(cat /tmp/main)" = "$new" ] || fail "the process that reaches its nodes was replaced"
if grep -q restart /tmp/asked 2> /dev/null; then fail "restarted, though the new process reaches no node"; fi
ready || fail "the old process does not go on: $(cat /tmp/log)"
sed -i 's/^contact_points = .*/contact_points = ["@NODE@"]/' /etc/shardlane/shardlane.toml
kill -TERM $new
for i in $(seq 100); do kill -0 $new 2> /dev/null || break; sleep 0.1; done
# Where it is of a version that hands over otherwise, it is restarted. This one closes the connection at the hello.
cat > /tmp/other.py << 'EOF'
import os, signal, socket, subprocess
path = "/run/shardlane/upgrade.sock"
if os.path.exists(path):
    os.unlink(path)
offer = socket.socket(socket.AF_UNIX)
offer.bind(path)
offer.listen()
signal.signal(signal.SIGUSR2, lambda *_: subprocess.Popen(open("/tmp/start").read().split(), stderr=open("/tmp/other.log", "w")))
open("/tmp/main", "w").write(str(os.getpid()))
while True:
    offer.accept()[0].close()
EOF
$as python3 -c 'pass' && chmod 666 /tmp/main /tmp/status
rm -f /tmp/other.log && touch /tmp/other.log && chmod 666 /tmp/other.log
$as python3 /tmp/other.py &
other=$!
for i in $(seq 100); do [ "$(cat /tmp/main)" = $other ] && break; sleep 0.1; done
[ "$(cat /tmp/main)" = $other ] || fail "the other version does not run"
began=$(date +%s)
/var/lib/dpkg/info/shardlane.postinst configure 0.1.0
[ $(($(date +%s) - began)) -lt 60 ] || fail "the restart came only when nothing was heard: $(cat /tmp/other.log)"
grep -q 'restart shardlane.service' /tmp/asked || fail "a process that hands over otherwise was not restarted: $(cat /tmp/status)"
kill $other
rm -f /tmp/asked /run/shardlane/upgrade.sock
# Where no process runs, the service is started.
echo 0 > /tmp/main
/var/lib/dpkg/info/shardlane.postinst configure 0.1.0
grep -q 'restart shardlane.service' /tmp/asked || fail "a service that does not run was not started"
kill $manager
rm -rf /run/systemd/system
unset SHARDLANE_BIND SHARDLANE_ADMIN NOTIFY_SOCKET
[ "$(dpkg-query -W -f '${Version}' shardlane)" = "0.1.1~test" ] || fail "not upgraded"
grep -q '^contact_points' /etc/shardlane/shardlane.toml || fail "the upgrade took the settings away"
[ "$(stat -c '%U:%G %a' /etc/shardlane/shardlane.toml)" = "root:shardlane 640" ] || fail "rights after the upgrade"
dpkg --remove shardlane 2>&1
[ ! -e /usr/bin/shardlane ] || fail "the program stays"
[ -e /etc/shardlane/shardlane.toml ] || fail "removing took the settings away"
dpkg --purge shardlane 2>&1
[ ! -e /etc/shardlane ] || fail "purging leaves settings"
if getent passwd shardlane > /dev/null; then fail "purging leaves the user"; fi
echo "all done"
"""


@test(alone=True)
def the_package_is_installed_run_upgraded_and_removed():
    from stage import Stage
    rooms.allowed()
    old, new = packages()
    with folder() as path, Stage() as stage:
        sim = stage.sim(1, 2, 16)
        script = SCRIPT
        for name, value in {"OLD": old, "NEW": new, "NODE": sim.hosts[0], "ADDRESS": stage.address(9)}.items():
            script = script.replace("@%s@" % name, value)
        room = path / "room"
        room.mkdir()
        words = rooms.on_a_copy(room, script)
        # Programs that a failed script leaves behind would serve the next run.
        script = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  start_new_session=True)
        try:
            said, errors = script.communicate(timeout=180)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(script.pid, signal.SIGKILL)
        if "overlay" in errors and script.returncode == 32:
            raise Skip("no overlay file system: %s" % errors.strip()[-200:])
        assert script.returncode == 0 and said.endswith("all done\n"), said[-1500:] + errors[-800:]
        assert subprocess.run(["dpkg-query", "-W", "shardlane"], capture_output=True).returncode, "it reached this machine"
