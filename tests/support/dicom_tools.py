"""DICOM from the outside: dcmtk's command line tools as other modalities would be, and studies changed on disk."""

import os
import re
import shutil
import subprocess
import threading

from processes import TIME_FACTOR, Failure
from tcp_proxy import TcpProxy

TEST_DATA = os.environ.get("GLIONODE_TEST_DATA") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))), "shared", "data")


def real_study():
    """Folder of the real glioma study, or None where it is not at hand."""
    folder = os.path.join(TEST_DATA, "tcga-fg-6692")
    return folder if os.path.isdir(folder) else None


def tool(*command, timeout=120, check=True):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout * TIME_FACTOR, check=False)
    done.stdout = done.stdout.decode("utf-8", "replace")
    if check and done.returncode != 0:
        raise Failure(f"{command[0]} ended with status {done.returncode}:\n{done.stdout}")
    return done


def dicom_files(folder):
    """All files below `folder`, sorted, that are DICOM (PS3.10: DICM at 128)."""
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                if file.read(132)[128:] == b"DICM":
                    found.append(path)
    return sorted(found)


def values(files, keyword):
    """{file: value} of one text attribute."""
    found = {}
    for start in range(0, len(files), 200):
        current = None
        for line in tool("dcmdump", "-Un", "+F", "+P", keyword, *files[start:start + 200]).stdout.splitlines():
            head = re.match(r"# dcmdump \(\d+/\d+\): (.*)", line)
            if head:
                current = head[1]
            value = re.match(r"\([0-9a-f,]+\) \w\w \[?(.*?)\]? +#", line)
            if value and current not in found:
                found[current] = value[1]
    return found


def study_uid(folder):
    return next(iter(values(dicom_files(folder)[:1], "StudyInstanceUID").values()))


def copy_study(source, target):
    """A copy that may be changed; returns its folder."""
    for number, file in enumerate(dicom_files(source)):
        os.makedirs(target, exist_ok=True)
        shutil.copyfile(file, os.path.join(target, f"{number:04d}.dcm"))
    return target


def modify(files, **changes):
    """Sets attributes by keyword; the file meta information follows changed SOP Class and Instance UIDs."""
    words = [word for keyword, value in changes.items() for word in ("-i", f"{keyword}={value}")]
    for start in range(0, len(files), 200):
        tool("dcmodify", "-nb", *words, *files[start:start + 200])


def series_of(folder):
    """{Series Instance UID: files in order of InstanceNumber}"""
    files = dicom_files(folder)
    series, number = values(files, "SeriesInstanceUID"), values(files, "InstanceNumber")
    found = {}
    for file in sorted(files, key=lambda file: int(number.get(file) or 0)):
        found.setdefault(series[file], []).append(file)
    return found


def echo(port, calling="HOSPITAL", called="GLIONODE"):
    """C-ECHO; (did it work, what echoscu said)"""
    done = tool("echoscu", "-v", "-to", 10, "-aet", calling, "-aec", called, "127.0.0.1", port, check=False)
    return done.returncode == 0, done.stdout


class Sending:
    """Result of a C-STORE run: files that were acknowledged with Success, in order, and all that storescu said."""

    def __init__(self, done, files):
        self.text = done.stdout
        self.code = done.returncode
        self.acknowledged, current = [], None
        for line in self.text.splitlines():
            sending = re.match(r"I: Sending file: (.*)", line)
            if sending:
                current = sending[1].strip()
            # The sentence of storescu -v; a status other than 0000 is in the brackets of another word.
            if re.search(r"Received Store Response \(Success\)", line) and current:
                self.acknowledged.append(current)
        self.refused = [file for file in files if file not in self.acknowledged]


def store(port, files, calling="HOSPITAL", called="GLIONODE", timeout=120):
    """C-STORE of files over one association, one after the other, going on after a refusal."""
    done = tool("storescu", "-v", "-nh", "-to", 10, "-td", 60, "-aet", calling, "-aec", called, "127.0.0.1", port, *files,
                timeout=timeout, check=False)
    return Sending(done, [str(file) for file in files])


class CuttingProxy(TcpProxy):
    """A TCP proxy that lets `cut_after` bytes through to the server, then calls `at_cut` and closes both ends."""

    def __init__(self, target_port, cut_after, at_cut=None):
        self.cut_after, self.at_cut = cut_after, at_cut
        self.passed = 0
        self.cut = threading.Event()
        super().__init__(target_port)

    def relay(self, source, target, to_server):
        while True:
            data = source.recv(16384)
            if not data:
                return
            if to_server and not self.cut.is_set():
                room = self.cut_after - self.passed
                self.passed += len(data)
                if self.passed >= self.cut_after:
                    target.sendall(data[:max(0, room)])
                    self.cut.set()
                    if self.at_cut:
                        self.at_cut()
                    return
            target.sendall(data)
