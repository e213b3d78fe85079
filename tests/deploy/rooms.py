"""Rooms for programs: an empty root, and a copy of this machine's root that forgets what was done to it.

Both are mount namespaces, made by util-linux; without the right to make one the test is skipped, with the reason.
"""
import functools
import os
import shlex
import socket
import struct
import subprocess
import threading

import tools


@functools.lru_cache
def allowed():
    """Raises Missing where namespaces cannot be made."""
    if os.geteuid() != 0:
        raise tools.Missing("mount namespaces want root")
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise tools.Missing("unshare: %s" % done.stderr.strip())


def words(*script):
    """A command that runs a shell script in a mount namespace of its own."""
    allowed()
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(script)]


def quoted(*words):
    return " ".join(shlex.quote(str(w)) for w in words)


def in_image(tree, mounts, command, user):
    """A command in `tree` as its root, read-only, as a container runtime starts it: with /proc, /dev/null, and what
    `mounts` puts there (target: source file, or None for an empty folder of the user's own)."""
    script = [quoted("mount", "--bind", tree, tree)]
    (tree / "dev").mkdir(exist_ok=True)
    (tree / "dev/null").touch()
    (tree / "proc").mkdir(exist_ok=True)
    for target, source in mounts.items():
        place = tree / target.lstrip("/")
        if source is None:
            place.mkdir(parents=True, exist_ok=True)
            uid = user.split(":")[0]
            script.append(quoted("mount", "-t", "tmpfs", "-o", "uid=%s,gid=%s,mode=0755" % (uid, uid), "none", place))
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            script.append(quoted("mount", "--bind", source, place))
    script += [quoted("mount", "--rbind", "/proc", tree / "proc"), quoted("mount", "--bind", "/dev/null", tree / "dev/null"),
               quoted("mount", "-o", "remount,bind,ro", tree),
               "exec " + quoted("chroot", "--userspec", user, "--groups", "", tree, *command)]
    return words(*script)


def on_a_copy(folder, script):
    """A shell script in a copy of this machine's root, whose changes go into `folder` and are gone with it."""
    root = folder / "root"
    # The copy's own layer must not lie on the file system that it copies.
    return words(
        quoted("mount", "-t", "tmpfs", "none", folder), "mkdir %s" % quoted(*(folder / n for n in ("upper", "work", "root"))),
        quoted("mount", "-t", "overlay", "overlay", "-o",
               "lowerdir=/,upperdir=%s,workdir=%s" % (folder / "upper", folder / "work"), root),
        quoted("mount", "--rbind", "/proc", root / "proc"), quoted("mount", "--rbind", "/dev", root / "dev"),
        quoted("mount", "-t", "tmpfs", "none", root / "run"),
        "exec " + quoted("chroot", root, "sh", "-ec", script))


class NameServer:
    """A DNS server of a few names with one address each, on port 53 of a loopback address."""

    def __init__(self, address, names):
        self.names, self.asked = names, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((address, 53))
        except PermissionError as e:
            raise tools.Missing("port 53: %s" % e)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(512)
            except OSError:
                return
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind, = struct.unpack(">H", question[at + 1:at + 3])
            name = ".".join(labels)
            self.asked.append(name)
            address = self.names.get(name)
            answers = b""
            if address and kind == 1:
                answers = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(address)
            flags = 0x8180 if address else 0x8183
            self.socket.sendto(question[:2] + struct.pack(">HHHHH", flags, 1, bool(answers), 0, 0)
                               + question[12:at + 5] + answers, client)

    def close(self):
        self.socket.close()


class Cql:
    """As much of a driver as asks one question."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))

    def ask(self, opcode, body=b""):
        """Opcode and body of the answer."""
        self.socket.sendall(struct.pack(">BBhBI", 4, 0, 1, opcode, len(body)) + body)
        head = self.read(9)
        return head[4], self.read(struct.unpack(">I", head[5:])[0])

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "the connection was closed"
            data += part
        return data

    def query(self, text):
        startup = struct.pack(">H", 1) + b"".join(struct.pack(">H", len(s)) + s for s in (b"CQL_VERSION", b"3.0.0"))
        opcode, _ = self.ask(0x01, startup)
        assert opcode == 0x02, "STARTUP was answered with %#x" % opcode
        return self.ask(0x07, struct.pack(">I", len(text)) + text.encode() + struct.pack(">HB", 1, 0))
