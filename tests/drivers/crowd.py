#!/usr/bin/env python3
"""A crowd of hostile clients of one proxy, each play again and again until stdin ends.

  crowd.py HOST USER PASSWORD OTHER PASSWORD [PATTERN]

USER may read `watched.blobs`, whose rows 0 to 63 have 64 KiB each. OTHER takes all places for credentials that one role may have,
which would else keep USER out. PATTERN chooses some of the plays. For each line on stdin one line of JSON comes back: how often each play was played, how many
connections it made, how many of them logged in, and how many ERRORs and closes it was answered with.
"""
import contextlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time

# The longest request that is taken has 4 MiB.
LONG = 4_000_000
QUERY, PREPARE, EXECUTE, AUTH_RESPONSE = 7, 9, 10, 15
ERROR, AUTHENTICATE, RESULT = 0, 3, 8
TARGET = {}
COUNTS = {}
DONE = threading.Event()


def frame(opcode, body, stream=1, flags=0):
    return struct.pack(">BBhBI", 4, flags, stream, opcode, len(body)) + body


def text(opcode, words, stream=1):
    tail = b"\0\1\0" if opcode == QUERY else b""
    return frame(opcode, struct.pack(">I", len(words)) + words.encode() + tail, stream)


def startup(**options):
    options = {"CQL_VERSION": "3.0.0", **options}
    return frame(1, struct.pack(">H", len(options)) + b"".join(
        struct.pack(">H", len(word)) + word.encode() for pair in options.items() for word in pair))


def token(user, password, acting_as=""):
    words = b"\0".join(word.encode() for word in (acting_as, user, password))
    return frame(AUTH_RESPONSE, struct.pack(">I", len(words)) + words)


class Client:
    """One connection; closed with its play."""

    def __init__(self, play, port=9042, seconds=10):
        self.count = COUNTS[play]
        self.count["connections"] += 1
        self.socket = socket.create_connection((TARGET["host"], port), seconds)
        self.socket.settimeout(seconds)

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def exactly(self, n):
        out = b""
        while len(out) < n:
            more = self.socket.recv(n - len(out))
            if not more:
                raise EOFError
            out += more
        return out

    def answer(self):
        """Opcode and body of the next frame."""
        *_, opcode, length = struct.unpack(">BBhBI", self.exactly(9))
        body = self.exactly(length)
        self.count["errors"] += opcode == ERROR
        return opcode, body

    def log_in(self):
        self.send(startup())
        if self.answer()[0] == AUTHENTICATE:
            self.send(token(TARGET["user"], TARGET["password"]))
            if self.answer()[0] == ERROR:
                raise EOFError
        self.count["logins"] += 1
        return self

    def prepare(self, words):
        """The id of a statement; None if it is refused."""
        self.send(text(PREPARE, words))
        opcode, body = self.answer()
        if opcode != RESULT:
            return None
        length, = struct.unpack_from(">H", body, 4)
        return body[6:6 + length]


def execute(statement, stream, key=None):
    values = struct.pack(">BHii", 1, 1, 4, key) if key is not None else b"\0"
    return frame(EXECUTE, struct.pack(">H", len(statement)) + statement + struct.pack(">H", 1) + values, stream)


PLAYS = []


def play(pause):
    """Registers a play, which is given a stack that closes its connections, and then waits so long."""
    def register(function):
        PLAYS.append((function, pause))
        COUNTS[function.__name__] = dict.fromkeys(("rounds", "connections", "logins", "errors", "closes"), 0)
        return function
    return register


@play(1)
def local_answers_unread(new):
    """A long SELECT of our own table, executed 150 times in one write, and nothing is read."""
    client = new().log_in()
    for columns in (60_000, 5_000, 1000):
        statement = client.prepare("SELECT " + ", ".join(["key"] * columns) + " FROM system.local")
        if statement:
            client.send(*[execute(statement, stream) for stream in range(150)])
            DONE.wait(2)
            return


@play(1)
def large_local_statements(new):
    """Statements of megabytes that are prepared by the proxy itself."""
    client = new().log_in()
    for number in range(10):
        client.prepare('USE "%s%d"' % ("x" * (1 << random.randrange(10, 22)), number))


@play(2)
def half_requests(new):
    """Clients that send nearly all of a long request and no more."""
    clients = [new(seconds=3).log_in() for _ in range(30)]
    for client in clients:
        client.send(struct.pack(">BBhBI", 4, 0, 1, QUERY, LONG))
    for _ in range(LONG >> 20):
        for client in clients:
            with contextlib.suppress(TimeoutError):
                client.send(bytes(1 << 20))
    DONE.wait(2)


def zeros(length):
    """An LZ4 block of so many zeros: one literal, a match of it, and five literals."""
    rest = length - 6 - 4 - 15
    return b"\x1f\0\1\0" + b"\xff" * (rest // 255) + bytes([rest % 255]) + b"\x50" + bytes(5)


@play(2)
def compressed_zeros(new):
    """Short frames of LZ4 that are long when they are plain."""
    length = LONG
    body = struct.pack(">I", length) + zeros(length)
    for _ in range(30):
        client = new()
        client.send(startup(COMPRESSION="lz4"))
        client.answer()
        client.send(token(TARGET["user"], TARGET["password"]))
        client.count["logins"] += client.answer()[0] != ERROR
        client.send(frame(QUERY, body, 2, 1))


@play(1)
def tokens_that_wait(new):
    """Large tokens of roles that do not exist."""
    for number in range(100):
        client = new()
        client.send(startup(), token("absent%d" % number, "x" * 65_000))
    DONE.wait(1)


@play(0.5)
def wrong_passwords(new):
    clients = [new() for _ in range(20)]
    for client in clients:
        client.send(startup(), token(TARGET["user"], "guess %d" % random.randrange(1 << 30)))
    for client in clients:
        client.answer()
        client.answer()


@play(1)
def challenges_unanswered(new):
    """Logins of two steps that end after the first."""
    clients = [new() for _ in range(30)]
    for client in clients:
        client.send(startup(), frame(AUTH_RESPONSE, struct.pack(">I", 6) + b"absent"))
    DONE.wait(3)


@play(1)
def many_authorization_ids(new):
    """One role that acts as a hundred others."""
    for number in range(100):
        client = new()
        client.send(startup(), token(TARGET["other"], TARGET["password of other"], "someone%d" % number))
    DONE.wait(2)


@play(1)
def silent(new):
    """Connections that say nothing."""
    _clients = [new() for _ in range(300)]
    DONE.wait(20)


@play(0)
def texts_with_values(new):
    """Each PREPARE another text."""
    client = new().log_in()
    for number in range(1000):
        client.prepare("SELECT v FROM watched.blobs WHERE k = %d" % random.randrange(1 << 30))
        if number % 50 == 0 and DONE.wait(0.2):
            return


@play(1)
def silent_probes(new):
    """Connections to the admin address that ask for nothing, and some that send half a head."""
    clients = [new(port=9380) for _ in range(200)]
    for client in clients[::4]:
        client.send(b"GET /livez HT")
    DONE.wait(5)


@play(0.2)
def bulk_unread(new):
    """Clients that ask for 64 KiB rows, 1,024 at once, and read none."""
    clients = [new().log_in() for _ in range(10)]
    statement = [client.prepare("SELECT v FROM watched.blobs WHERE k = ?") for client in clients][0]
    burst = [execute(statement, stream, stream % 64) for stream in range(1024)]
    for client in clients:
        client.send(*burst)
    DONE.wait(8)


@play(0.2)
def coming_and_going(new):
    """Clients that break off in the middle, or send what is no request."""
    for garbage in (b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n", bytes(5000), startup()[:11]):
        new().send(garbage)
    new().log_in().send(text(QUERY, "SELECT v FROM watched.blobs WHERE k = 1") * 50)


def act(function, pause):
    name = function.__name__
    while not DONE.is_set():
        clients = []

        def new(**more):
            clients.append(Client(name, **more))
            return clients[-1]
        try:
            function(new)
        except (OSError, EOFError, struct.error):
            COUNTS[name]["closes"] += 1
        finally:
            for client in clients:
                client.socket.close()
        COUNTS[name]["rounds"] += 1
        DONE.wait(max(0.05, pause))


def main():
    TARGET.update(zip(("host", "user", "password", "other", "password of other"), sys.argv[1:6]))
    pattern = sys.argv[6] if len(sys.argv) > 6 else ""
    plays = [pair for pair in PLAYS if re.search(pattern, pair[0].__name__)]
    threads = [threading.Thread(target=act, args=pair, daemon=True) for pair in plays]
    for thread in threads:
        thread.start()
    for _ in sys.stdin:
        print(json.dumps({function.__name__: COUNTS[function.__name__] for function, _ in plays}), flush=True)
    DONE.set()
    for thread in threads:
        thread.join(5)


if __name__ == "__main__":
    main()
