#!/usr/bin/env python3
"""Stands before one node as a process of its own, which can be stopped: `door.py ADDRESS TARGET PORT…`.

What connects to a port of ADDRESS reaches the same port of TARGET, from the same source port: shards are chosen by it.
Buffers are short, so that a door that was stopped soon takes nothing more.
"""
import asyncio
import socket
import sys

BUFFER = 64 << 10


async def copy(reader, writer):
    try:
        while data := await reader.read(BUFFER):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def pass_on(address, target, port, client):
    try:
        source = (address, client[1].get_extra_info("peername")[1])
        node = await asyncio.open_connection(target, port, local_addr=source, limit=BUFFER)
    except OSError as e:
        print("no way to the node:", e, file=sys.stderr, flush=True)
        return client[1].close()
    await asyncio.gather(copy(client[0], node[1]), copy(node[0], client[1]))


def listener(address, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    s.bind((address, port))
    return s


async def serve(address, target, ports):
    for port in ports:
        def on_client(reader, writer, port=port):
            return pass_on(address, target, port, (reader, writer))
        await asyncio.start_server(on_client, sock=listener(address, port), limit=BUFFER)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]]))
