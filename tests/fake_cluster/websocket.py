"""The server's half of a websocket, for exec and port-forward. Source: RFC 6455."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import struct

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io")


class WebSocket:
    def __init__(self, handler):
        offered = handler.headers.get("Sec-WebSocket-Protocol", "")
        names = [part.strip() for part in offered.split(",")]
        self.protocol = next((name for name in PROTOCOLS if name in names), names[0])
        key = handler.headers["Sec-WebSocket-Key"] + _GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        handler.send_response(101)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Connection", "Upgrade")
        handler.send_header("Sec-WebSocket-Accept", accept)
        handler.send_header("Sec-WebSocket-Protocol", self.protocol)
        handler.end_headers()
        handler.wfile.flush()
        self.socket = handler.connection
        self.file = handler.rfile

    def send(self, data, opcode=2):
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        self.socket.sendall(head + data)

    def receive(self):
        """Return one message, None when the other side closed."""
        head = self.file.read(2)
        if len(head) < 2 or head[0] & 0xF == 8:
            return None
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack("!H", self.file.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.file.read(8))[0]
        mask = self.file.read(4) if head[1] & 0x80 else b"\0\0\0\0"
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.file.read(size)))
        return data if head[0] & 0xF in (0, 1, 2) else self.receive()

    def close(self):
        with contextlib.suppress(OSError):
            self.send(struct.pack("!H", 1000), opcode=8)
