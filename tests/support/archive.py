"""A small archive that a test commands: it takes objects, and does with storage commitment what it is told.

PS3.8 9.3 and PS3.7 by hand, as far as the node's own requests go: every context in explicit VR little endian is accepted.
"""

import re
import socket
import struct
import threading

EXPLICIT = b"1.2.840.10008.1.2.1"
COMMITMENT = b"1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = b"1.2.840.10008.1.20.1.1"


def _even(value):
    return value + b"\0" * (len(value) % 2)


def _item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def _element(element, value):
    """Of the command set: implicit VR little endian, group 0000."""
    return struct.pack("<HHL", 0, element, len(value)) + value


def _command(elements):
    body = b"".join(_element(number, value) for number, value in sorted(elements.items()))
    return _element(0, struct.pack("<L", len(body))) + body


def _us(value):
    return struct.pack("<H", value)


def _explicit(group, element, vr, value):
    if vr == b"SQ":
        return struct.pack("<HH2sHL", group, element, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def _sequence(element, items):
    body = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    return _explicit(8, element, b"SQ", body)


def _exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        raise ConnectionError("the other end is gone")
    return data


def _pdu(stream):
    kind, size = struct.unpack(">BxL", _exactly(stream, 6))
    return kind, _exactly(stream, size)


def report_event(transaction, kept, failed=()):
    """Event Type ID and Event Information (PS3.4 J.3.3). kept: [(class, instance)]; failed: [(class, instance, reason)]"""
    def item(sop_class, instance, reason=None):
        reference = _explicit(8, 0x1150, b"UI", _even(sop_class)) + _explicit(8, 0x1155, b"UI", _even(instance))
        return reference + (_explicit(8, 0x1197, b"US", _us(reason)) if reason is not None else b"")
    information = _explicit(8, 0x1195, b"UI", _even(transaction))
    if failed:
        information += _sequence(0x1198, [item(*entry) for entry in failed])
    if kept:
        information += _sequence(0x1199, [item(*entry) for entry in kept])
    return (2 if failed else 1), information


class Association:
    """Messages in both directions over a socket that is associated."""

    def __init__(self, connection):
        self.connection = connection
        self.stream = connection.makefile("rb")

    def send(self, context, command, data=None):
        for part, is_command in ((command, True), (data, False)):
            for at in range(0, len(part or b""), 16000):
                piece = part[at:at + 16000]
                flags = (1 if is_command else 0) | (2 if at + 16000 >= len(part) else 0)
                body = struct.pack(">LBB", len(piece) + 2, context, flags) + piece
                self.connection.sendall(struct.pack(">BxL", 4, len(body)) + body)

    def receive(self):
        """(context, {element: value} of the command, data) or None after a release."""
        parts, done, context, wants_data = {True: b"", False: b""}, set(), 0, False
        while True:
            kind, body = _pdu(self.stream)
            if kind == 5:
                self.connection.sendall(struct.pack(">BxLL", 6, 4, 0))
                return None
            if kind != 4:
                raise ConnectionError(f"PDU of type {kind}")
            while body:
                size, context, flags = struct.unpack(">LBB", body[:6])
                parts[bool(flags & 1)] += body[6:4 + size]
                body = body[4 + size:]
                if flags & 2:
                    done.add(bool(flags & 1))
            if True in done:
                command, at = {}, 0
                while at < len(parts[True]):
                    _, element, size = struct.unpack("<HHL", parts[True][at:at + 8])
                    command[element] = parts[True][at + 8:at + 8 + size]
                    at += 8 + size
                wants_data = command[0x0800] != _us(0x0101)
                if not wants_data or False in done:
                    return context, command, parts[False] if wants_data else None


class Archive:
    """`commitment`: "same" reports on the association that asked, "silent" never, "missing" says 0112 of everything."""

    def __init__(self, commitment="same"):
        self.commitment = commitment
        self.stored = []        # (SOP Instance UID, data set), in the order of arrival
        self.transactions = []  # (Transaction UID, [(class, instance)])
        self.answers = []       # status of the N-EVENT-REPORT responses that we got
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.close()

    def wait(self, condition, seconds=60):
        """Waits until condition(self) is true, and returns that."""
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self), seconds):
                raise AssertionError(f"the archive waits: {len(self.stored)} stored, {self.transactions}, {self.answers}")
            return condition(self)

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(60)
            threading.Thread(target=self._association, args=(connection,), daemon=True).start()

    def _association(self, connection):
        with connection:
            try:
                association = Association(connection)
                kind, request = _pdu(association.stream)
                if kind == 1:
                    connection.sendall(self._accept(request))
                    while self._message(association):
                        pass
            except (ConnectionError, OSError, struct.error):
                pass

    @staticmethod
    def _accept(request):
        contexts, at = b"", 68
        while at < len(request):
            kind, size = struct.unpack(">BxH", request[at:at + 4])
            value = request[at + 4:at + 4 + size]
            if kind == 0x20:
                good = value.endswith(_item(0x40, EXPLICIT))  # the node proposes one syntax a context
                contexts += _item(0x21, struct.pack(">BxBx", value[0], 0 if good else 4) + _item(0x40, EXPLICIT))
            at += 4 + size
        user = _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3.4"))
        body = request[:68] + _item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
        return struct.pack(">BxL", 2, len(body)) + body

    def _message(self, association):
        message = association.receive()
        if message is None:
            return False
        context, command, data = message
        kind, number = struct.unpack("<H", command[0x0100])[0], command.get(0x0110)
        if kind == 0x8100:  # N-EVENT-REPORT-RSP
            with self.changed:
                self.answers.append(struct.unpack("<H", command[0x0900])[0])
                self.changed.notify_all()
            return True
        response = {0x0002: command.get(0x0002) or command.get(0x0003), 0x0100: _us(kind | 0x8000), 0x0120: number,
                    0x0800: _us(0x0101), 0x0900: _us(0)}
        if 0x1000 in command:
            response[0x1000] = command[0x1000]
        association.send(context, _command(response))
        if kind == 1:
            with self.changed:
                self.stored.append((command[0x1000].rstrip(b"\0").decode(), data))
                self.changed.notify_all()
        elif kind == 0x0130:
            self._commitment(association, context, data)
        return True

    def _commitment(self, association, context, data):
        def found(element):
            return [value[:size].rstrip(b"\0") for value, size in
                    ((data[match.end() + 2:], struct.unpack("<H", data[match.end():match.end() + 2])[0])
                     for match in re.finditer(re.escape(struct.pack("<HH2s", 8, element, b"UI")), data))]
        transaction = found(0x1195)[0]
        objects = list(zip(found(0x1150), found(0x1155)))
        with self.changed:
            self.transactions.append((transaction, objects))
            self.changed.notify_all()
        if self.commitment == "silent":
            return
        failed = [(*entry, 0x0112) for entry in objects] if self.commitment == "missing" else []
        event, information = report_event(transaction, [] if failed else objects, failed)
        association.send(context, self._event_command(event), information)

    @staticmethod
    def _event_command(event):
        return _command({0x0002: _even(COMMITMENT), 0x0100: _us(0x0100), 0x0110: _us(99), 0x0800: _us(1),
                         0x1000: _even(COMMITMENT_INSTANCE), 0x1002: _us(event)})

    @classmethod
    def bring_report(cls, port, event, information, calling="HOSPITAL", called="GLIONODE", role=(0, 1)):
        """A new association to the node, as SCP of Storage Commitment (role: SCU, SCP; None leaves it out).
        The status that the node answers; None when it accepts no such context."""
        selection = b""
        if role:
            selection = _item(0x54, struct.pack(">H", len(COMMITMENT)) + COMMITMENT + bytes(role))
        context = _item(0x20, struct.pack(">BxBx", 1, 0) + _item(0x30, COMMITMENT) + _item(0x40, EXPLICIT))
        body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode()) + \
            _item(0x10, b"1.2.840.10008.3.1.1.1") + context + \
            _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3.4") + selection)
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            association = Association(connection)
            connection.sendall(struct.pack(">BxL", 1, len(body)) + body)
            kind, answer = _pdu(association.stream)
            if kind != 2:
                raise AssertionError(f"the node answered with a PDU of type {kind}")
            if _item(0x21, b"\1\0\0\0" + _item(0x40, EXPLICIT)) not in answer:
                return None
            association.send(1, cls._event_command(event), information)
            _, command, _ = association.receive()
            connection.sendall(struct.pack(">BxLL", 5, 4, 0))
            _pdu(association.stream)
            return struct.unpack("<H", command[0x0900])[0]
