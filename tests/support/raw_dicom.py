"""DICOM spoken by hand (PS3.8 9.3, PS3.7 E): a caller that knows which object got which status, and can also speak wrong."""

import socket
import struct

from processes import TIME_FACTOR

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = ((VERIFICATION, (IMPLICIT,)), (MR_IMAGE, (EXPLICIT,)), (ENHANCED_MR_IMAGE, (EXPLICIT,)))

# --- data sets and files

LONG_FORM = {"OB", "OW", "SQ", "UN", "UT"}


def element(tag, vr, value):
    """One element in explicit VR little endian; text is padded, numbers are given as bytes."""
    if isinstance(value, str):
        value = value.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    head = struct.pack("<HH2s", tag >> 16, tag & 0xffff, vr.encode())
    return head + (struct.pack("<HI", 0, len(value)) if vr in LONG_FORM else struct.pack("<H", len(value))) + value


def short(number):
    return struct.pack("<H", number)


def mr_data_set(uid, study, series, number=1, rows=256, columns=256, pixels=None, date="20260102", frames=None,
                patient="P-1", sop_class=MR_IMAGE):
    """A small but complete MR image; `pixels` has rows x columns x 16 bit x frames (zeros when None)."""
    pixels = b"\0" * (rows * columns * 2 * (frames or 1)) if pixels is None else pixels
    parts = [
        element(0x00080008, "CS", "ORIGINAL\\PRIMARY"), element(0x00080016, "UI", sop_class), element(0x00080018, "UI", uid),
        element(0x00080020, "DA", date), element(0x00080030, "TM", "120000"), element(0x00080050, "SH", ""),
        element(0x00080060, "CS", "MR"), element(0x00080070, "LO", "SYNTHETIC"), element(0x00081030, "LO", "GLIOMA POST RT"),
        element(0x0008103e, "LO", "T1 MPRAGE"), element(0x00100010, "PN", "TEST^SYNTHETIC"), element(0x00100020, "LO", patient),
        element(0x00100030, "DA", "19600101"), element(0x00100040, "CS", "O"), element(0x00180020, "CS", "GR"),
        element(0x00180023, "CS", "3D"), element(0x00180050, "DS", "1"), element(0x00180080, "DS", "8.2"),
        element(0x00180081, "DS", "3.2"), element(0x00180087, "DS", "3"), element(0x0020000d, "UI", study),
        element(0x0020000e, "UI", series), element(0x00200011, "IS", "1"), element(0x00200013, "IS", str(number))]
    if not frames:
        parts += [element(0x00200032, "DS", f"-127.5\\-127.5\\{number}"), element(0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
                  element(0x00200052, "UI", series + ".9")]
    parts += [element(0x00280002, "US", short(1)), element(0x00280004, "CS", "MONOCHROME2")]
    if frames:
        parts.append(element(0x00280008, "IS", str(frames)))
    parts += [element(0x00280010, "US", short(rows)), element(0x00280011, "US", short(columns))]
    if not frames:
        parts.append(element(0x00280030, "DS", "1\\1"))
    parts += [element(0x00280100, "US", short(16)), element(0x00280101, "US", short(12)), element(0x00280102, "US", short(11)),
              element(0x00280103, "US", short(0)), element(0x7fe00010, "OW", pixels)]
    return b"".join(parts)


def dicom_file(uid, data_set, sop_class=MR_IMAGE):
    """The data set as a file (PS3.10 7.1)."""
    meta = (element(0x00020001, "OB", b"\0\1") + element(0x00020002, "UI", sop_class) + element(0x00020003, "UI", uid) +
            element(0x00020010, "UI", EXPLICIT) + element(0x00020012, "UI", "1.2.3.4"))
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + data_set


# --- the network

def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind, body, length=None):
    return struct.pack(">BBI", kind, 0, len(body) if length is None else length) + body


def associate_request(calling="HOSPITAL", called="GLIONODE", contexts=CONTEXTS, max_pdu=131072):
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16) + calling.encode().ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, transfers) in enumerate(contexts):
        body += item(0x20, bytes([2 * number + 1, 0, 0, 0]) + item(0x30, abstract.encode()) +
                     b"".join(item(0x40, syntax.encode()) for syntax in transfers))
    body += item(0x50, item(0x51, struct.pack(">I", max_pdu)) + item(0x52, b"1.2.3.4"))
    return pdu(1, body)


def command(*elements):
    body = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def padded(uid):
    text = uid if isinstance(uid, bytes) else uid.encode()
    return text + b"\0" * (len(text) % 2)


def store_command(sop_class, uid, message):
    return command((0x0002, padded(sop_class)), (0x0100, short(1)), (0x0110, short(message)), (0x0700, short(0)),
                   (0x0800, short(1)), (0x1000, padded(uid)))


def data_pdu(context, is_command, last, data):
    return pdu(4, struct.pack(">IBB", len(data) + 2, context, (1 if is_command else 0) | (2 if last else 0)) + data)


class Refused(Exception):
    """A-ASSOCIATE-RJ: result, source, reason (PS3.8 9.3.4)."""


class Caller:
    """One connection. Reads raise ConnectionError when the other side is gone, TimeoutError after `timeout` seconds."""

    def __init__(self, port, calling="HOSPITAL", called="GLIONODE", contexts=CONTEXTS, timeout=60, associate=True, nodelay=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout * TIME_FACTOR)
        if nodelay:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.contexts = {abstract: 2 * number + 1 for number, (abstract, _) in enumerate(contexts)}
        self.message = 0
        self.fragment = 16000
        if associate:
            self.send(associate_request(calling, called, contexts))
            kind, body = self.read_pdu()
            if kind == 3:
                self.close()
                raise Refused(tuple(body[1:4]))
            if kind != 2:
                self.close()
                raise ConnectionError(f"PDU of type {kind} instead of an answer")
            at = body.rfind(b"\x51\x00\x00\x04")
            self.fragment = min(struct.unpack(">I", body[at + 4:at + 8])[0] or 131072, 131072) - 6

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def read(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the other side closed the connection")
            data += part
        return bytes(data)

    def read_pdu(self):
        """(type, body)"""
        kind, _, length = struct.unpack(">BBI", self.read(6))
        return kind, self.read(length)

    def status(self):
        """DIMSE status of the next response."""
        kind, body = self.read_pdu()
        if kind != 4:
            raise ConnectionError("aborted" if kind == 7 else f"PDU of type {kind} instead of a response")
        at = 6
        while at + 8 <= len(body):
            group, number, length = struct.unpack("<HHI", body[at:at + 8])
            if (group, number) == (0, 0x0900):
                return struct.unpack("<H", body[at + 8:at + 10])[0]
            at += 8 + length
        raise ConnectionError("a response without a status")

    def store(self, uid, data_set, sop_class=MR_IMAGE):
        """C-STORE of a data set (bytes, or a list of parts that are sent one after the other); its status."""
        self.message = self.message % 65000 + 1
        context = self.contexts[sop_class]
        self.send(data_pdu(context, True, True, store_command(sop_class, uid, self.message)))
        parts = [data_set] if isinstance(data_set, (bytes, bytearray, memoryview)) else data_set
        pieces = [part[at:at + self.fragment] for part in map(memoryview, parts) for at in range(0, len(part), self.fragment)]
        for number, piece in enumerate(pieces, 1):
            head = struct.pack(">BBIIBB", 4, 0, len(piece) + 6, len(piece) + 2, context, 2 if number == len(pieces) else 0)
            self.socket.sendmsg([head, piece]) if len(piece) < 1000 else (self.send(head), self.send(piece))
        return self.status()

    def echo(self):
        self.message = self.message % 65000 + 1
        self.send(data_pdu(self.contexts[VERIFICATION], True, True,
                           command((0x0002, padded(VERIFICATION)), (0x0100, short(0x30)), (0x0110, short(self.message)),
                                   (0x0800, short(0x0101)))))
        return self.status()

    def release(self):
        self.send(pdu(5, bytes(4)))
        kind, _ = self.read_pdu()
        self.close()
        return kind == 6

    def abort(self):
        self.send(pdu(7, bytes(4)))
        self.close()

    def close(self):
        self.socket.close()
