#!/usr/bin/env python3
"""`./run lint` before the real files: clang-tidy with our configuration must find a bad name in one of our headers, and must
accept good ones. (A header filter that matches nothing would let everything pass, silently.)"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOOD = "#pragma once\nnamespace glionode {\nclass Seed {\n public:\n  int Grow() const { return size_; }\n\n private:\n  int size_ = 0;\n};\n}  // namespace glionode\n"
BAD = GOOD.replace("class Seed", "class seed_type")


def tidy(header):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "config"))
        for name, text in (("seed.h", header), ("seed.cpp", '#include "config/seed.h"\n')):
            with open(os.path.join(folder, "config", name), "w", encoding="utf-8") as out:
                out.write(text)
        return subprocess.run(["clang-tidy", f"--config-file={ROOT}/.clang-tidy", os.path.join(folder, "config", "seed.cpp"),
                               "--", "-std=c++20", f"-I{folder}"], capture_output=True, text=True, check=False)


good, bad = tidy(GOOD), tidy(BAD)
if good.returncode != 0:
    sys.exit(f"clang-tidy refuses a good header:\n{good.stdout}{good.stderr}")
if bad.returncode == 0 or "seed_type" not in bad.stdout or "readability-identifier-naming" not in bad.stdout:
    sys.exit(f"clang-tidy does not see a bad name in a header:\n{bad.stdout}{bad.stderr}")
print("clang-tidy finds the seeded name")
