#!/usr/bin/env python3
"""Who may include and link whom (docs/decisions.md, "Layers"). Reads include lines and CMake link lines.

  check_layers.py [ROOT]      checks the project; prints every mistake, exit 1 if there is one
  check_layers.py --self-test seeds mistakes in a small tree; each must be found
"""

import os
import re
import sys
import tempfile

# folder: (folders it may include, libraries it may use). Libraries are named by how their headers begin.
LAYERS = {
    "config": (set(), {"spdlog", "toml++", "nlohmann"}),
    "storage": ({"config"}, {"soci", "sqlite3.h", "nlohmann", "boost/uuid"}),
    "dicom": ({"config"}, {"dcmtk", "openjpeg.h", "cairo", "png.h", "fontconfig", "nlohmann", "boost/uuid", "openssl"}),
    "inference/volumes": ({"config"}, {"itk"}),
    "inference/networks": ({"config"}, {"torch", "ATen", "c10", "nlohmann", "boost/math", "omp.h"}),
    "server": ({"config", "storage", "dicom", "inference/volumes", "inference/networks"},
               {"boost", "nlohmann", "CLI", "prometheus", "openssl", "spdlog", "csv.h", "systemd"}),
}
# These build without config's library (GLIONODE_PARTS=networks needs LibTorch alone), so of config they may use only
# headers that have no .cpp.
HEADERS_ONLY = {"inference/volumes", "inference/networks"}
LINKS = {"spdlog": {"spdlog"}, "tomlplusplus": {"toml++"}, "SOCI": {"soci"}, "SQLite": {"sqlite3.h"}, "DCMTK": {"dcmtk"},
         "OPENJPEG": {"openjpeg.h"}, "CAIRO": {"cairo"}, "PNG": {"png.h"}, "Fontconfig": {"fontconfig"}, "TORCH": {"torch"}, "ITK": {"itk"},
         "Boost": {"boost", "boost/math", "boost/uuid"}, "nlohmann": {"nlohmann"}, "CLI11": {"CLI"}, "prometheus": {"prometheus"},
         "OpenSSL": {"openssl"}}
TARGETS = {"glionode_config": "config", "glionode_storage": "storage", "glionode_dicom": "dicom",
           "glionode_volumes": "inference/volumes", "glionode_networks": "inference/networks",
           "glionode_bundles": "inference/networks", "glionode_server": "server"}
SYSTEM = re.compile(r"^([a-z_0-9]+|(sys|netinet|arpa|linux|net)/[a-z_0-9]+\.h|(unistd|fcntl|signal|spawn|poll|pwd|netdb|errno|pthread|"
                    r"time|stdlib|string|stdio|stdint|math|dirent|termios|sched|limits|syslog|ifaddrs|malloc|dlfcn|locale|cxxabi|execinfo)\.h)$")
TEST_LIBRARIES = {"gtest", "gmock", "benchmark"}
LONG_FILE = 400


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def walk(root, folder):
    for base, names, files in os.walk(os.path.join(root, folder)):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            yield os.path.relpath(os.path.join(base, name), root)


def layer_of(path):
    """The layer that a file or an include text belongs to; None if it is none of ours."""
    for layer in sorted(LAYERS, key=len, reverse=True):
        if path.startswith(layer + "/"):
            return layer
    return None


def includes(text):
    """(line number, name, quoted) of all include lines."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', line)
        if found:
            yield number, found[1] or found[2], found[1] is not None


def library_of(name, libraries):
    return next((library for library in libraries if name == library or name.startswith(library + "/")
                 or (library == "itk" and name.startswith("itk"))), None)


def third_party(name):
    everything = set().union(*(libraries for _, libraries in LAYERS.values())) | TEST_LIBRARIES
    return library_of(name, sorted(everything, key=len, reverse=True))


class Check:
    def __init__(self, root):
        self.root, self.mistakes, self.warnings = root, [], []
        self.headers = {}  # our header -> names that it includes

    def complain(self, text):
        self.mistakes.append(text)

    def run(self):
        sources = [path for layer in LAYERS for path in walk(self.root, layer) if path.endswith((".h", ".cpp"))]
        tests = [path for path in walk(self.root, "tests") if path.endswith((".h", ".cpp"))]
        for path in sources + tests:
            text = read(os.path.join(self.root, path))
            if path.endswith(".h"):
                self.headers[path] = [name for _, name, _ in includes(text)]
            if len(text.splitlines()) > LONG_FILE:
                self.warnings.append(f"{path}: {len(text.splitlines())} lines; one job a file, up to {LONG_FILE} lines")
        for path in sources:
            self.check_includes(path, path, False)
        for path in tests:
            # tests/storage/x.cpp is judged as storage/x.cpp; tests/support, /house, /functional belong to nobody.
            inner = path[len("tests/"):]
            if layer_of(inner):
                self.check_includes(path, inner, True)
        self.check_public_headers(sources)
        self.check_targets(sources + tests)
        for folder in list(LAYERS):
            cmake = os.path.join(folder, "CMakeLists.txt")
            if os.path.exists(os.path.join(self.root, cmake)):
                self.check_links(cmake, folder)
        return self.mistakes

    def check_includes(self, path, inner, test):
        layer = layer_of(inner)
        allowed, libraries = LAYERS[layer]
        for number, name, quoted in includes(read(os.path.join(self.root, path))):
            where = f"{path}:{number}"
            if quoted:
                target = layer_of(name)
                if target is None:
                    beside = os.path.join(self.root, os.path.dirname(path), name)
                    if not (test and (name.startswith("tests/") or os.path.exists(beside))):
                        self.complain(f'{where}: "{name}" is no path from the project\'s root')
                elif target != layer and target not in allowed:
                    self.complain(f"{where}: {layer} must not include {target} ({name})")
                elif layer in HEADERS_ONLY and target == "config" and \
                        os.path.exists(os.path.join(self.root, name[:-2] + ".cpp")):
                    self.complain(f"{where}: {layer} builds without config's library; {name} has a .cpp")
                continue
            library = third_party(name)
            if library is None:
                if layer_of(name):
                    self.complain(f'{where}: our own header <{name}> is included with "..."')
                elif not SYSTEM.match(name):
                    self.complain(f"{where}: <{name}> is of no library in the table of check_layers.py")
            elif library_of(name, libraries) is None and not (test and library in TEST_LIBRARIES):
                self.complain(f"{where}: {layer} must not use {library} (<{name}>)")

    def check_public_headers(self, sources):
        """A header that another folder includes must not bring a library with it, not even by way of a third header."""
        for path in sources:
            for number, name, quoted in includes(read(os.path.join(self.root, path))):
                if not quoted or layer_of(name) in (None, layer_of(path)):
                    continue
                way = self.way_to_library(name, [])
                if way:
                    self.complain(f"{path}:{number}: brings a library from another folder: {' -> '.join(way)}")

    def way_to_library(self, header, seen):
        if header in seen:
            return None
        for name in self.headers.get(header, []):
            if layer_of(name) is None:
                if third_party(name):
                    return [header, f"<{name}>"]
                continue
            way = self.way_to_library(name, seen + [header])
            if way:
                return [header] + way
        return None

    def check_targets(self, paths):
        """A .cpp that no CMakeLists.txt names is never compiled, and a test in it never runs."""
        for path in paths:
            if not path.endswith(".cpp"):
                continue
            folder, name = os.path.split(path)
            while True:
                cmake = os.path.join(self.root, folder, "CMakeLists.txt")
                if os.path.exists(cmake) and re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w.-])", read(cmake)):
                    break
                if not folder:
                    self.complain(f"{path}: is in no target")
                    break
                folder, last = os.path.split(folder)
                name = os.path.join(last, name)

    def check_links(self, cmake, layer):
        allowed, libraries = LAYERS[layer]
        text = re.sub(r"#.*", "", read(os.path.join(self.root, cmake)))
        for call in re.finditer(r"(glionode_library|target_link_libraries)\s*\(([^)]*)\)", text):
            scope = "SOURCES" if call[1] == "glionode_library" else "PUBLIC"
            for word in call[2].split()[1:]:
                if word in ("PUBLIC", "PRIVATE", "INTERFACE", "SOURCES", "SYSTEM_INCLUDES"):
                    scope = word
                    continue
                if scope in ("SOURCES", "SYSTEM_INCLUDES"):
                    continue
                if word in TARGETS:
                    if TARGETS[word] != layer and TARGETS[word] not in allowed:
                        self.complain(f"{cmake}: {layer} must not link {TARGETS[word]}")
                    if layer in HEADERS_ONLY and TARGETS[word] != layer:
                        self.complain(f"{cmake}: {layer} builds without other folders' libraries ({word})")
                    continue
                key = next((key for key in LINKS if word.lstrip("${").startswith(key)), None)
                if key is None:
                    continue
                if not LINKS[key] & libraries:
                    self.complain(f"{cmake}: {layer} must not link {word}")
                elif scope != "PRIVATE":
                    self.complain(f"{cmake}: {word} is linked {scope}; third-party libraries are PRIVATE")


GOOD_TREE = {
    "config/error.h": "#pragma once\n#include <string>\n",
    "config/log.h": "#pragma once\n", "config/log.cpp": '#include "config/log.h"\n#include <spdlog/spdlog.h>\n',
    "config/CMakeLists.txt": "glionode_library(glionode_config SOURCES log.cpp PRIVATE spdlog::spdlog)\n",
    "storage/database.h": '#pragma once\n#include "config/error.h"\n',
    "storage/database.cpp": '#include "storage/database.h"\n#include "config/log.h"\n#include <soci/soci.h>\n#include <sys/stat.h>\n',
    "storage/CMakeLists.txt": "glionode_library(glionode_storage SOURCES database.cpp PUBLIC glionode_config PRIVATE ${SOCI_CORE_LIBRARY})\n",
    "dicom/inner.h": "#pragma once\n#include <dcmtk/dcmdata/dctk.h>\n",
    "dicom/receiver.h": "#pragma once\n",
    "dicom/receiver.cpp": '#include "dicom/inner.h"\n#include "dicom/receiver.h"\n',
    "dicom/CMakeLists.txt": "glionode_library(glionode_dicom SOURCES receiver.cpp PUBLIC glionode_config PRIVATE DCMTK::DCMTK)\n",
    "inference/networks/net.cpp": '#include "config/error.h"\n#include <torch/torch.h>\n',
    "inference/networks/CMakeLists.txt": "glionode_library(glionode_networks SOURCES net.cpp PRIVATE ${TORCH_LIBRARIES})\n",
    "server/app.cpp": '#include "dicom/receiver.h"\n#include "storage/database.h"\n#include <boost/asio.hpp>\n',
    "server/CMakeLists.txt": "add_library(glionode_server STATIC app.cpp)\n"
                             "target_link_libraries(glionode_server PRIVATE glionode_storage glionode_dicom)\n",
    "tests/storage/database_test.cpp": '#include "storage/database.h"\n#include <gtest/gtest.h>\n',
    "tests/storage/CMakeLists.txt": "glionode_test(storage_tests SOURCES database_test.cpp LIBRARIES glionode_storage)\n",
}
# (file, text that is put at its end, what must be said)
SEEDS = [
    ("storage/database.cpp", '#include "dicom/receiver.h"\n', "storage must not include dicom"),
    ("dicom/receiver.cpp", '#include "storage/database.h"\n', "dicom must not include storage"),
    ("config/log.cpp", '#include "storage/database.h"\n', "config must not include storage"),
    ("dicom/receiver.cpp", '#include "server/app.h"\n', "dicom must not include server"),
    ("inference/networks/net.cpp", '#include "inference/volumes/volume.h"\n', "must not include inference/volumes"),
    ("inference/networks/net.cpp", '#include "config/log.h"\n', "config/log.h has a .cpp"),
    ("storage/database.cpp", "#include <dcmtk/dcmdata/dctk.h>\n", "storage must not use dcmtk"),
    ("server/app.cpp", "#include <torch/torch.h>\n", "server must not use torch"),
    ("server/app.cpp", "#include <surprise/surprise.h>\n", "is of no library in the table"),
    ("dicom/receiver.h", "#include <dcmtk/dcmdata/dctk.h>\n", "brings a library from another folder: dicom/receiver.h"),
    ("dicom/receiver.h", '#include "dicom/inner.h"\n', "dicom/receiver.h -> dicom/inner.h -> <dcmtk"),
    ("storage/CMakeLists.txt", "target_link_libraries(glionode_storage PRIVATE glionode_dicom)\n", "storage must not link dicom"),
    ("storage/CMakeLists.txt", "target_link_libraries(glionode_storage PUBLIC SQLite::SQLite3)\n", "third-party libraries are PRIVATE"),
    ("dicom/CMakeLists.txt", "target_link_libraries(glionode_dicom PRIVATE ${TORCH_LIBRARIES})\n", "dicom must not link ${TORCH"),
    ("tests/storage/other_test.cpp", "#include <gtest/gtest.h>\n", "tests/storage/other_test.cpp: is in no target"),
    ("server/commands/lost.cpp", "\n", "server/commands/lost.cpp: is in no target"),
    ("tests/storage/database_test.cpp", '#include "dicom/receiver.h"\n', "storage must not include dicom"),
]


def mistakes_of(tree):
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return Check(root).run()


def self_test():
    bad = [f"a tree without mistakes: {mistake}" for mistake in mistakes_of(GOOD_TREE)]
    for path, text, expected in SEEDS:
        found = mistakes_of({**GOOD_TREE, path: GOOD_TREE.get(path, "") + text})
        if not any(expected in mistake for mistake in found):
            bad.append(f"{text.strip()!r} in {path} is not found (expected: {expected}; said: {found})")
    for line in bad:
        print(line)
    print(f"{len(SEEDS)} seeded mistakes, {len(bad)} problems")
    return 1 if bad else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    check = Check(root)
    for line in check.run():
        print(line)
    for line in check.warnings:
        print(f"warning: {line}")
    print(f"{len(check.mistakes)} mistakes, {len(check.warnings)} warnings")
    return 1 if check.mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
