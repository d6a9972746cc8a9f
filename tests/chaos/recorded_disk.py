"""A disk that is played back: what strace saw a program write, sync and rename, applied to a model in memory, and the
images of it that a loss of power may leave at any moment."""

import os
import re

CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")
CUT = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
DESCRIPTOR = re.compile(r"^(\d+)<([^>]*)>")
SYSCALLS = ("open,openat,creat,close,write,pwrite64,writev,pwritev,sendto,sendmsg,fsync,fdatasync,sync_file_range,rename,renameat,"
            "renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,fallocate,lseek,link,linkat,copy_file_range,sendfile")


def strace(output):
    """The command that records; the program comes behind it."""
    return ["strace", "-f", "-yy", "-xx", "-s", "16777216", "-e", f"trace={SYSCALLS}", "-e", "signal=none", "-o", output]


def plain(text):
    return bytes.fromhex(text.replace("\\x", ""))


def path_of(text):
    """strace writes the paths of descriptors in hexadecimal as well, but for sockets."""
    if not text.startswith("\\x"):
        return text
    return plain(re.match(r"(?:\\x[0-9a-f]{2})*", text)[0]).decode("utf-8", "replace")  # behind it, what kind of device


class File:
    def __init__(self):
        self.now, self.durable = bytearray(), b""


class Folder:
    def __init__(self):
        self.now, self.durable = {}, {}


class Disk:
    """`root` is the folder that is modelled; everything else is passed over."""

    def __init__(self, root):
        self.root, self.top = root, Folder()
        self.positions = {}  # (descriptor, path) -> position of plain writes
        self.operations = 0

    def _parts(self, path):
        path = os.path.normpath(path)
        if path != self.root and not path.startswith(self.root + os.sep):
            return None
        relative = os.path.relpath(path, self.root)
        return [] if relative == "." else relative.split(os.sep)

    def _find(self, parts):
        node = self.top
        for part in parts:
            node = node.now.get(part) if isinstance(node, Folder) else None
            if node is None:
                return None
        return node

    def find(self, path):
        parts = self._parts(path)
        return None if parts is None else self._find(parts)

    def _place(self, path):
        """(folder, name) of a path inside the root."""
        parts = self._parts(path)
        if not parts:
            return None, None
        return self._find(parts[:-1]), parts[-1]

    # --- what programs do

    def make_folder(self, path):
        folder, name = self._place(path)
        if folder is not None and name not in folder.now:
            folder.now[name] = Folder()

    def open(self, path, flags, descriptor):
        folder, name = self._place(path)
        if folder is None:
            return
        if "O_CREAT" in flags and name not in folder.now:
            folder.now[name] = File()
        file = folder.now.get(name)
        if isinstance(file, File):
            if "O_TRUNC" in flags:
                del file.now[:]
            self.positions[descriptor, path] = -1 if "O_APPEND" in flags else 0

    def write(self, descriptor, path, data, at=None):
        file = self.find(path)
        if not isinstance(file, File):
            return
        if at is None:
            at = self.positions.get((descriptor, path), 0)
            at = len(file.now) if at == -1 else at
            if self.positions.get((descriptor, path)) != -1:
                self.positions[descriptor, path] = at + len(data)
        if len(file.now) < at:
            file.now.extend(bytes(at - len(file.now)))
        file.now[at:at + len(data)] = data

    def truncate(self, path, size):
        file = self.find(path)
        if isinstance(file, File):
            del file.now[size:]
            file.now.extend(bytes(size - len(file.now)))

    def sync(self, path):
        node = self.find(path)
        if isinstance(node, File):
            node.durable = bytes(node.now)
        elif isinstance(node, Folder):
            node.durable = dict(node.now)

    def rename(self, old, new):
        folder, name = self._place(old)
        target, new_name = self._place(new)
        if folder is None or name not in folder.now:
            return
        node = folder.now.pop(name)
        if target is not None:
            target.now[new_name] = node

    def link(self, old, new):
        node = self.find(old)
        folder, name = self._place(new)
        if node is not None and folder is not None:
            folder.now[name] = node

    def remove(self, path):
        folder, name = self._place(path)
        if folder is not None:
            folder.now.pop(name, None)

    # --- what a loss of power leaves

    def image(self, folder, names, contents):
        """Writes an image into `folder`. `names`, `contents`: "durable" (only what was synced) or "now" (all that was
        written): a real disk is somewhere between. Contents "torn": of an object that was not synced since it was written,
        the beginning is there and the rest is zeros; everything else is as it was synced."""
        def content(name, file):
            if contents == "now":
                return file.now
            if contents == "torn" and name.endswith((".part", ".dcm")) and file.now != file.durable:
                half = len(file.now) // 2
                return bytes(file.now[:half]) + bytes(len(file.now) - half)
            return file.durable

        def put(node, path):
            os.makedirs(path, exist_ok=True)
            for name, child in (node.durable if names == "durable" else node.now).items():
                target = os.path.join(path, name)
                if isinstance(child, Folder):
                    put(child, target)
                else:
                    with open(target, "wb") as file:
                        file.write(content(name, child))
        put(self.top, folder)


class Record:
    """The calls of a strace log, in the order of their ends."""

    def __init__(self, path):
        self.calls = []
        cut = {}
        with open(path, encoding="ascii", errors="replace") as log:
            for line in log:
                line = line.rstrip("\n")
                found = CALL.match(line)
                if found:
                    self.calls.append((found[2], found[3], found[4]))
                    continue
                found = CUT.match(line)
                if found:
                    cut[found[1]] = (found[2], found[3])
                    # An answer may be on its way before the call has returned.
                    if found[2] in ("write", "writev", "sendto", "sendmsg") and "<TCP" in found[3][:60]:
                        self.calls.append((found[2], found[3], "1"))
                    continue
                found = RESUMED.match(line)
                if found and found[1] in cut:
                    name, begun = cut.pop(found[1])
                    if not (name in ("write", "writev", "sendto", "sendmsg") and "<TCP" in begun[:60]):
                        self.calls.append((name, begun + found[3], found[4]))


def elements(data):
    """{element: value} of a command set (group 0000, implicit VR little endian); empty if it is none."""
    found, at = {}, 0
    while at + 8 <= len(data):
        group, element, size = int.from_bytes(data[at:at + 2], "little"), int.from_bytes(data[at + 2:at + 4], "little"), \
            int.from_bytes(data[at + 4:at + 8], "little")
        if group != 0 or at + 8 + size > len(data):
            return {}
        found[element] = data[at + 8:at + 8 + size]
        at += 8 + size
    return found


def acknowledged(arguments):
    """The SOP Instance UID of a C-STORE answer with Success among what is sent; None if there is none."""
    for text in TEXT.findall(arguments):
        command = elements(plain(text[0]))
        if command.get(0x0100) == b"\x01\x80" and command.get(0x0900) == b"\0\0":
            return command.get(0x1000, b"").rstrip(b"\0 ").decode("ascii", "replace")
    return None


def apply(disk, call):
    """One call on the disk. Returns the UID that it acknowledges, if it does."""
    name, arguments, result = call
    if result == "?" or (result.startswith("-") and name != "close"):
        return None
    descriptor = DESCRIPTOR.match(arguments)
    texts = [plain(text[0]) for text in TEXT.findall(arguments)]
    path = path_of(descriptor[2]) if descriptor else None
    if path and path.startswith(("TCP", "UNIX", "socket", "pipe", "UDP")):
        return acknowledged(arguments) if name in ("write", "writev", "sendto", "sendmsg") else None
    paths = [text.decode("utf-8", "replace") for text in texts]
    at_folder = re.findall(r"(?:AT_FDCWD(?:<([^>]*)>)?|\d+<([^>]*)>), \"", arguments)

    def full(index):
        base = next((part for part in at_folder[min(index, len(at_folder) - 1)] if part), "") if at_folder else ""
        return os.path.join(path_of(base), paths[index])
    if name in ("open", "openat", "creat") and paths:
        disk.open(full(0), arguments, int(result))
    elif name in ("write", "writev") and path:
        disk.write(int(descriptor[1]), path, b"".join(texts)[:int(result)])
    elif name in ("pwrite64", "pwritev") and path:
        disk.write(int(descriptor[1]), path, b"".join(texts)[:int(result)], int(arguments.rsplit(", ", 1)[1]))
    elif name == "lseek" and path:
        disk.positions[int(descriptor[1]), path] = int(result)
    elif name in ("fsync", "fdatasync") and path:
        disk.sync(path)
    elif name == "ftruncate" and path:
        disk.truncate(path, int(arguments.rsplit(", ", 1)[1]))
    elif name in ("mkdir", "mkdirat") and paths:
        disk.make_folder(full(0))
    elif name in ("rename", "renameat", "renameat2") and len(paths) > 1:
        disk.rename(full(0), full(1))
    elif name in ("link", "linkat") and len(paths) > 1:
        disk.link(full(0), full(1))
    elif name in ("unlink", "unlinkat", "rmdir") and paths:
        disk.remove(full(0))
    elif name in ("copy_file_range", "sendfile") and disk.root in arguments:
        raise ValueError(f"{name} on the disk that is recorded: the model does not know it")
    else:
        return None
    disk.operations += 1
    return None
