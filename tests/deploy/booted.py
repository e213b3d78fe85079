"""A copy of this machine that systemd has booted: first process of its own namespaces, with a loopback of its own.

It sees neither other processes nor the network, writes to memory alone, and is gone when the test ends. Where a namespace, an
overlay or a control group cannot be made the test is skipped, with the reason.
"""
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import rooms
import tools

# What would wait for devices or people, or mount what the whole machine shares.
MASKED = ("console-getty.service", "dbus.service", "dbus.socket", "systemd-logind.service", "sys-kernel-debug.mount",
          "sys-kernel-tracing.mount", "sys-kernel-config.mount", "dev-hugepages.mount")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

OUTSIDE = """
echo 0 > {group}/cgroup.procs
exec unshare --fork --kill-child --pid --mount --cgroup --uts --ipc --net --propagation private sh -ec {inside}
"""

INSIDE = """
root={folder}/root
mount -t tmpfs none {folder}
mkdir {folder}/upper {folder}/work $root
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work $root
mount -t proc proc $root/proc
mount --bind $root/proc/sys $root/proc/sys
mount -o remount,bind,ro $root/proc/sys
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 none $root/sys/fs/cgroup
for place in run tmp dev; do mount -t tmpfs -o mode=755 none $root/$place; done
mkdir $root/dev/shm $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
ln -s /proc/self/fd $root/dev/fd
for device in {devices}; do touch $root/dev/$device; mount --bind /dev/$device $root/dev/$device; done
touch $root/dev/console
mount --bind /dev/null $root/dev/console
mount --bind {share} $root/mnt
# Nothing of this machine's own is started, nor are packages kept from starting their services.
rm -rf $root/etc/systemd/system/* $root/usr/sbin/policy-rc.d
for unit in {masked}; do ln -s /dev/null $root/etc/systemd/system/$unit; done
: > $root/etc/fstab
ip link set lo up
cd $root
mkdir old
pivot_root . old
umount -l /old
exec env -i container=shardlane-test PATH=/usr/sbin:/usr/bin:/sbin:/bin {systemd} --system --log-target=journal \\
    --show-status=0 systemd.unit=multi-user.target
"""


def systemd():
    found = [p for p in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if os.path.exists(p)]
    missing = [name for name in ("systemctl", "journalctl", "nsenter", "setpriv", "ip") if not shutil.which(name)]
    if missing or not found:
        raise tools.Missing("%s is not on this machine" % (missing or ["systemd"])[0])
    return found[0]


def control_group():
    """An empty control group below that of this process, in version 2."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    places = [words[1] for words in mounts if words[2] == "cgroup2"]
    own = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    if not places or not own:
        raise tools.Missing("no control groups of version 2 are mounted")
    group = Path(places[0] + own[0].rstrip("/"), "shardlane-test-%d" % os.getpid())
    try:
        group.mkdir(exist_ok=True)
    except OSError as e:
        raise tools.Missing("control group: %s" % e)
    return group


class Machine:
    """Boots in half a second. What is in the folder `share` lies in /mnt."""

    def __init__(self, folder):
        rooms.allowed()
        program = systemd()
        self.share, self.log = folder / "share", folder / "boot.log"
        self.share.mkdir()
        (folder / "machine").mkdir()
        self.group, self.init = control_group(), 0
        inside = INSIDE.format(folder=folder / "machine", share=self.share, systemd=program, masked=" ".join(MASKED),
                               devices=" ".join(DEVICES))
        # It ends with these tests, however they end.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-ec",
                                         OUTSIDE.format(group=self.group, inside=rooms.quoted(inside))], stdin=subprocess.DEVNULL,
                                        stdout=open(self.log, "w"), stderr=subprocess.STDOUT)

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def boot(self):
        until = time.monotonic() + 30
        children = Path("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid))
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise tools.Missing("no systemd in namespaces of its own: %s" % self.log.read_text().strip()[-300:])
            self.init = int(children.read_text().strip() or 0)
            if self.init:
                # Before systemd is there this fails.
                done = self.call("systemctl", "is-system-running")
                if done.stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)
        # Nothing of ours runs there yet.
        raise tools.Missing("systemd does not come up in namespaces of its own: %s" % self.log.read_text().strip()[-300:])

    def __exit__(self, *_):
        if self.init:
            os.kill(self.init, signal.SIGKILL)
        self.process.kill()
        self.process.wait(10)
        for place, _, _ in os.walk(self.group, topdown=False):
            # The kernel counts the last process for a moment after its end.
            for _ in range(50):
                try:
                    os.rmdir(place)
                    break
                except OSError:
                    time.sleep(0.05)

    def words(self, *words):
        return ["nsenter", "--target", str(self.init), "--all", "--", *map(str, words)]

    def call(self, *words, seconds=60):
        """The ended command: its code, and stdout and stderr together."""
        return subprocess.run(self.words(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=seconds)

    def run(self, *words, seconds=60):
        done = self.call(*words, seconds=seconds)
        assert done.returncode == 0, "`%s` ended with %d: %s; %s" % (
            " ".join(map(str, words)), done.returncode, done.stdout[-800:], self.journal()[-1500:])
        return done.stdout

    def start(self, *words):
        """A program that goes on; its stdout is read as it ends."""
        return subprocess.Popen(self.words(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def journal(self, unit="shardlane"):
        return self.call("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def shown(self, unit="shardlane"):
        """The properties of a unit."""
        return dict(line.split("=", 1) for line in self.run("systemctl", "show", unit).splitlines() if "=" in line)
