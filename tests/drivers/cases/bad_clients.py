"""Clients that break the rules, next to one that keeps them and must not notice."""
import contextlib
import socket
import struct
import threading
import time

import direct
from stage import case, log, until

OPTIONS = bytes.fromhex("040000010500000000")
STARTUP = bytes.fromhex("0400000201") + struct.pack(">I", 22) + b"\0\1\0\x0bCQL_VERSION\0\x053.0.0"
READY = 0x02
# What a real server answers to the first byte of a version that it does not speak, byte for byte: a version 4 ERROR
# frame on stream 0. Drivers step down by this text and this header.
REFUSAL = "8400000000%08x0000000a%04x%s"


def refusal(version):
    text = ("Invalid or unsupported protocol version: %d" % version).encode()
    return bytes.fromhex(REFUSAL % (len(text) + 6, len(text), text.hex()))


@contextlib.contextmanager
def connection(proxy, seconds=10):
    with socket.create_connection((proxy.host, proxy.port), seconds) as s:
        s.settimeout(seconds)
        yield s


def exactly(s, n):
    out = b""
    while len(out) < n:
        more = s.recv(n - len(out))
        if not more:
            raise EOFError("closed after %d of %d bytes" % (len(out), n))
        out += more
    return out


def frame(s):
    """Opcode, stream and body of the next frame."""
    _, _, stream, opcode, length = struct.unpack(">BBhBI", exactly(s, 9))
    return opcode, stream, exactly(s, length)


def rest(s):
    """Everything up to the other side's close; a reset counts as a close."""
    out = b""
    with contextlib.suppress(ConnectionError):
        while more := s.recv(65536):
            out += more
    return out


def query(text, stream=3):
    body = struct.pack(">I", len(text)) + text.encode() + b"\0\1\0"
    return struct.pack(">BBhBI", 4, 0, stream, 7, len(body)) + body


def started(s):
    s.sendall(STARTUP)
    assert frame(s)[0] == READY


def is_error_or_close(answer):
    """A refused client hears an ERROR frame, or nothing more than the close."""
    return not answer or answer[4] == 0


class Watch:
    """A client that keeps the rules: it writes and reads all the time, and remembers the worst."""

    def __init__(self, session):
        self.session = session
        self.insert = session.prepare("INSERT INTO ints (k, v) VALUES (?, ?)")
        self.read = session.prepare("SELECT v FROM ints WHERE k = ?")
        self.done, self.count, self.longest, self.faults = threading.Event(), 0, 0.0, []
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.done.is_set():
            begin = time.monotonic()
            try:
                self.session.execute(self.insert, [self.count % 100, self.count], timeout=20)
                got = self.session.execute(self.read, [self.count % 100], timeout=20).one()
                if got is None or got[0] != self.count:
                    self.faults.append("read %s for %d" % (got, self.count))
            except Exception as e:  # any failure is one that the bad client caused
                self.faults.append(repr(e))
            self.longest = max(self.longest, time.monotonic() - begin)
            self.count += 1
            time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(30)

    def unharmed(self, what):
        """It made progress since the last call, without one fault."""
        before = self.count
        until("the good client goes on after " + what, lambda: self.count > before + 5, 20)
        assert not self.faults, "%s: the good client saw %s" % (what, self.faults[:3])
        log("%s: good client at %d requests, longest %.3f s" % (what, self.count, self.longest))
        self.longest = 0.0


@case(deadline=180)
def bad_clients(stage):
    sim = stage.sim()
    proxy = stage.proxy(sim.hosts[0])
    with direct.session(proxy.host) as s:
        direct.create_load_tables(s, "watched", 3)
        s.execute("CREATE TABLE watched.blobs (k int PRIMARY KEY, v blob)")
        s.execute(s.prepare("INSERT INTO watched.blobs (k, v) VALUES (1, ?)"), [bytes(1 << 16)])
        s.set_keyspace("watched")
        with Watch(s) as watch:
            watch.unharmed("nothing")
            for play in (garbage, versions, half_frames, oversized, too_long, unknown_opcodes, wrong_order, broken_bodies,
                         many_at_once):
                play(proxy)
                watch.unharmed(play.__name__)
            never_reads(proxy, watch)
            watch.unharmed("never_reads")


def garbage(proxy):
    for first in (b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("1603010200010001fc0303") + bytes(200), b"\xff" * 4096,
                  bytes(4096), bytes(range(256)) * 64, b"\x84\0\0\0\x02\0\0\0\0"):
        with connection(proxy) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(first)
                s.shutdown(socket.SHUT_WR)
            assert is_error_or_close(rest(s)), first[:10]


def versions(proxy):
    for version in (5, 6, 65, 66, 2, 1):
        with connection(proxy) as s:
            s.sendall(bytes([version]) + OPTIONS[1:])
            got = rest(s)
            assert got == refusal(version), "version %d: %s" % (version, got.hex())
    with connection(proxy) as s:  # and the next connection may step down
        s.sendall(OPTIONS)
        assert frame(s)[0] == 0x06


def half_frames(proxy):
    whole = query("SELECT v FROM watched.ints WHERE k = 1")
    for cut in (1, 8, 9, 10, len(whole) - 1):
        with connection(proxy) as s:
            started(s)
            s.sendall(whole[:cut])
            s.shutdown(socket.SHUT_WR)
            assert is_error_or_close(rest(s)), cut
    with connection(proxy) as s:  # in pieces, but whole in the end
        started(s)
        for byte in whole:
            s.sendall(bytes([byte]))
        assert frame(s)[:2] == (0x08, 3)
    stalled = []
    for _ in range(20):  # announced, never sent: they hold nothing but their own connection
        s = socket.create_connection((proxy.host, proxy.port), 10)
        s.settimeout(10)
        started(s)
        s.sendall(struct.pack(">BBhBI", 4, 0, 1, 7, 7 << 20) + b"x" * 100)
        stalled.append(s)
    with connection(proxy) as s:
        started(s)
        s.sendall(whole)
        assert frame(s)[:2] == (0x08, 3)
    for s in stalled:
        s.close()


def oversized(proxy):
    for length in (1 << 29, 0x7FFFFFFF, 0xFFFFFFFF):
        with connection(proxy) as s:
            started(s)
            s.sendall(struct.pack(">BBhBI", 4, 0, 9, 7, length))
            s.shutdown(socket.SHUT_WR)
            answer = rest(s)
            assert answer and answer[4] == 0, "length %d: %s" % (length, answer[:60].hex() or "no word")


def too_long(proxy):
    """One request is too long by itself; those around it on the same connection get their answers."""
    with connection(proxy, 30) as s:
        started(s)
        length = 20 << 20
        s.sendall(struct.pack(">BBhBI", 4, 0, 9, 7, length))
        got, stream, body = frame(s)
        assert (got, stream, body[:4]) == (0, 9, b"\0\0\x22\0"), (got, stream, body[:80])
        for _ in range(length >> 20):
            s.sendall(bytes(1 << 20))
        s.sendall(query("SELECT v FROM watched.ints WHERE k = 1", 10))
        assert frame(s)[:2] == (0x08, 10)


def unknown_opcodes(proxy):
    for opcode in (0x04, 0x11, 0x55, 0xFF, 0x08):
        with connection(proxy) as s:
            started(s)
            s.sendall(struct.pack(">BBhBI", 4, 0, 11, opcode, 0))
            got, stream, body = frame(s)
            assert (got, stream, body[:4]) == (0, 11, b"\0\0\0\x0a"), (opcode, got, stream, body[:40])


def wrong_order(proxy):
    with connection(proxy) as s:  # a query before STARTUP
        s.sendall(query("SELECT v FROM watched.ints WHERE k = 1"))
        got, stream, body = frame(s)
        assert (got, stream, body[:4]) == (0, 3, b"\0\0\0\x0a"), (got, stream, body[:40])
    with connection(proxy) as s:  # STARTUP twice
        started(s)
        s.sendall(STARTUP)
        got, _, body = frame(s)
        assert (got, body[:4]) == (0, b"\0\0\0\x0a"), (got, body[:40])
    with connection(proxy) as s:  # another version in mid-connection
        started(s)
        s.sendall(b"\x03" + OPTIONS[1:])
        assert is_error_or_close(rest(s))


def broken_bodies(proxy):
    """Bodies whose inner lengths lie; each gets an answer on its own stream, or the connection ends."""
    for opcode in (0x01, 0x07, 0x09, 0x0A, 0x0B, 0x0D, 0x0F):
        for body in (b"", b"\0", b"\xff" * 9, b"\0\x10" + bytes(16), b"\x7f\xff\xff\xff", b"\0\0\0\1x\0\1\x01\0\5",
                     b"\0\x10" + b"i" * 16 + b"\0\1\x01\xff\xff\x7f\xff\xff\xff"):
            with connection(proxy) as s:
                started(s)
                s.sendall(struct.pack(">BBhBI", 4, 0, 5, opcode, len(body)) + body)
                s.shutdown(socket.SHUT_WR)
                answer = rest(s)
                assert not answer or answer[4] in (0, 2, 8), "%02x %s: %s" % (opcode, body.hex(), answer[:40].hex())


def never_reads(proxy, watch):
    """Asks for far more than it takes; the proxy may stop reading it or close it, and keeps the rest within bounds."""
    begin = resident(proxy)
    with connection(proxy) as s:
        started(s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(1)
        ask = query("SELECT v FROM watched.blobs WHERE k = 1") * 20
        deadline, sent = time.monotonic() + 10, 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            while time.monotonic() < deadline:
                sent += s.send(ask)
        watch.unharmed("%d requests whose answers are not read" % (sent * 20 // len(ask)))
        time.sleep(1)
        watch.unharmed("a second more of it")
        grown = resident(proxy) - begin
        log("never_reads: the proxy grew by %d MiB" % grown)
        assert grown < 200, "the proxy grew by %d MiB for one client that does not read" % grown


def resident(proxy):
    """MiB that the proxy holds."""
    with open("/proc/%d/status" % proxy.child.process.pid) as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def many_at_once(proxy):
    """Connects and leaves, 500 times, some of them in the middle of something."""
    for n in range(500):
        with connection(proxy) as s:
            if n % 3:
                s.sendall(STARTUP)
            if n % 5 == 0:
                s.sendall(query("SELECT v FROM watched.blobs WHERE k = 1"))
