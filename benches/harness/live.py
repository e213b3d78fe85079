"""The product and its simulated cluster as processes, and a client that speaks CQL by hand."""
import socket
import struct
import subprocess
import sys
import time
import urllib.request

QUERY, PREPARE, EXECUTE = 7, 9, 10


class Client:
    """A connection to a proxy or a node."""

    def __init__(self, host):
        self.socket = socket.create_connection((host, 9042), 10)
        self.ask(1, b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0")

    def ask(self, opcode, body):
        """The answer's body; an ERROR fails."""
        self.socket.sendall(frame(1, opcode, body))
        head = self.read(9)
        body = self.read(struct.unpack(">i", head[5:])[0])
        assert head[4] != 0, "an ERROR: %r" % body
        return body

    def read(self, count):
        got = b""
        while len(got) < count:
            piece = self.socket.recv(count - len(got))
            assert piece, "the connection was closed"
            got += piece
        return got

    def query(self, text):
        text = text.encode()
        return self.ask(QUERY, struct.pack(">i", len(text)) + text + b"\x00\x01\x00")

    def prepare(self, text):
        """The statement's id, as an EXECUTE names it."""
        text = text.encode()
        body = self.ask(PREPARE, struct.pack(">i", len(text)) + text)
        size, = struct.unpack(">h", body[4:6])
        return body[4:6 + size]


def frame(stream, opcode, body):
    return struct.pack(">BBhBi", 4, 0, stream, opcode, len(body)) + body


def execute(stream, statement, key):
    """An EXECUTE with an int as its only value, consistency ONE."""
    return frame(stream, EXECUTE, statement + struct.pack(">HBHii", 1, 1, 1, 4, key))


def started(words, ready):
    """A process that answers at the address `ready`."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(ready, timeout=2).close()
            return child
        except OSError:
            if child.poll() is not None or time.monotonic() > deadline:
                sys.exit("%s did not start" % words[:2])
            time.sleep(0.2)
