"""A TCP proxy that understands DICOM's PDUs (PS3.8 9.3), so that it can break them where it hurts."""

import struct
import time

from tcp_proxy import TcpProxy

STATUS = b"\x00\x00\x00\x09\x02\x00\x00\x00"  # (0000,0900) Status, two bytes, as every command set encodes it
STORE_ANSWER = b"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x80"  # (0000,0100) Command Field, C-STORE-RSP


class PduProxy(TcpProxy):
    """`mode` may be changed at any time: pass, delay (each PDU waits), cut (connections end after a few PDUs), corrupt (a
    PDU's header becomes rubbish), refuse (nobody takes the connection), or a number: the status that a Success of the
    server becomes on its way back."""

    def __init__(self, target_port, rng):
        self.rng = rng
        self.mode = "pass"
        super().__init__(target_port)

    def takes(self):
        return self.mode != "refuse"

    def relay(self, source, target, to_server):
        left = self.rng.randrange(2, 30)
        while True:
            head = self._exactly(source, 6)
            if head is None:
                return
            body = self._exactly(source, struct.unpack(">I", head[2:])[0])
            if body is None:
                return
            mode = self.mode
            left -= 1
            if mode == "delay":
                time.sleep(self.rng.uniform(0.01, 0.15))
            elif mode == "cut" and left <= 0:
                target.sendall((head + body)[:len(body) // 2])
                return
            elif mode == "corrupt" and to_server and left <= 0:
                head = bytes(self.rng.randrange(0x20, 0x7F) for _ in range(6))
            elif isinstance(mode, int) and not to_server:
                body = self._other_status(body, mode)
            target.sendall(head + body)

    @staticmethod
    def _exactly(source, size):
        parts = []
        while size > 0:
            data = source.recv(min(size, 1 << 16))
            if not data:
                return None
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    @staticmethod
    def _other_status(body, status):
        at = body.find(STATUS)
        if at < 0 or STORE_ANSWER not in body or body[at + 8:at + 10] != b"\0\0":
            return body
        return body[:at + 8] + struct.pack("<H", status) + body[at + 10:]
