"""A client that reads until its stdin ends, and then prints what it saw: load.py kept|new|slow.

`kept`: over one connection that it keeps, and over a new one for each request. `new`: over new ones alone. `slow`: one EXECUTE.
It runs where a test has no driver: inside a machine of its own.
"""
import json
import select
import socket
import struct
import sys
import time

ERROR, STARTUP, QUERY, PREPARE, EXECUTE = 0, 1, 7, 9, 10


def ask(connection, opcode, body):
    connection.sendall(struct.pack(">BBhBi", 4, 0, 1, opcode, len(body)) + body)
    head = connection.recv(9, socket.MSG_WAITALL)
    assert len(head) == 9, "the connection was closed"
    answer = connection.recv(struct.unpack(">i", head[5:])[0], socket.MSG_WAITALL)
    assert head[4] != ERROR, answer
    return answer


def connected():
    connection = socket.create_connection(("127.0.0.1", 9042), 20)
    ask(connection, STARTUP, b"\0\1\0\x0bCQL_VERSION\0\x053.0.0")
    return connection


def query(connection, text):
    ask(connection, QUERY, struct.pack(">i", len(text)) + text.encode() + b"\0\1\0")


def read(connection, key):
    query(connection, "SELECT what FROM shop.carts WHERE id = %d" % key)


def slow():
    with connected() as connection:
        text = b"SELECT what FROM shop.carts WHERE id = 1"
        answer = ask(connection, PREPARE, struct.pack(">i", len(text)) + text)
        length, = struct.unpack(">H", answer[4:6])
        print("asked", flush=True)
        ask(connection, EXECUTE, answer[4:6 + length] + b"\0\1\0")


def going():
    return not select.select([sys.stdin], [], [], 0)[0]


def load(mode):
    kept, done, failed, slowest = None, 0, [], 0
    while going():
        began = time.monotonic()
        try:
            if mode == "kept":
                kept = kept or connected()
                read(kept, done)
            with connected() as connection:
                read(connection, done)
            done += 1
        except Exception as error:
            failed.append(repr(error))
            kept = None
        slowest = max(slowest, time.monotonic() - began)
    return {"done": done, "failed": failed, "slowest": slowest}


def main():
    with connected() as connection:
        query(connection, "CREATE KEYSPACE IF NOT EXISTS shop WITH replication = "
                          "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}")
        query(connection, "CREATE TABLE IF NOT EXISTS shop.carts (id int PRIMARY KEY, what text)")
    print("began", flush=True)
    print(json.dumps(slow() if sys.argv[1] == "slow" else load(sys.argv[1])))


if __name__ == "__main__":
    main()
