"""The floor: reads each body with `recv_into` and answers; no HTTP beyond that."""

from __future__ import annotations

import os
import re
import select
import socket

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def serve(sock, body):
    """Answer one request; return whether the client has gone."""
    data = sock.recv(65536)
    if not data:
        return True
    found = re.search(rb"content-length: (\d+)", data, re.IGNORECASE)
    length = int(found.group(1)) if found else 0
    got = len(data) - data.find(b"\r\n\r\n") - 4
    while got < length:
        count = sock.recv_into(body, length - got)
        if not count:
            return True
        got += count
    sock.sendall(ANSWER)
    return False


def main():
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=100)
    body = memoryview(bytearray(16 << 20))
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                client, _ = listener.accept()
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
                continue
            try:
                gone = serve(clients[fd], body)
            except OSError:
                gone = True
            if gone:
                poll.unregister(fd)
                clients.pop(fd).close()


main()
