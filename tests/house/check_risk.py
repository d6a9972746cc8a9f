#!/usr/bin/env python3
"""docs/risk.md names a test for every control; each must exist. A control whose test was renamed or taken out is a hole.

Rows are `| hazard | cause | control | `Suite.Name`, `functional.module.test_name` |`. `--self-test`: seeded mistakes are found.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tests_in(text, path):
    """Names of the tests that a file holds, as ctest calls them (parameterised ones without the parameter)."""
    if path.endswith(".cpp"):
        text = re.sub(r"//.*", "", text)
        for suite, name in re.findall(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w+)\s*,\s*(\w+)\s*\)", text, re.M):
            if not name.startswith("DISABLED_"):
                yield f"{suite}.{name}"
    elif path.startswith("tests/functional/") and path.endswith("_test.py"):
        module = os.path.basename(path)[:-len("_test.py")]
        for name in re.findall(r"^    def (test_\w+)\(self", text, re.M):
            yield f"functional.{module}.{name}"
    elif path == "tests/chaos/CMakeLists.txt":
        yield from re.findall(r"^add_test\(NAME (\S+)", text, re.M)
    elif path == "tests/house/CMakeLists.txt":
        yield from re.findall(r"^glionode_house_test\((\S+)", text, re.M)
    elif path == "tests/inference/networks/CMakeLists.txt":
        yield from re.findall(r"add_test\(NAME (networks\.\w+)", text)
    elif path == "tests/fuzz/CMakeLists.txt":
        for name in re.findall(r"^ *glionode_fuzzer\((\w+)", text, re.M):
            yield f"fuzz.{name}.replay"


def all_tests():
    found = set()
    for base, _, files in os.walk(os.path.join(ROOT, "tests")):
        for name in files:
            path = os.path.relpath(os.path.join(base, name), ROOT)
            with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
                found.update(tests_in(file.read(), path))
    found.update(f"house.{name}" for name in list(found) if "." not in name)
    return found


def rows_of(text):
    """Cells of every table row that has four, without the heads."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if line.strip().startswith("|") and len(cells) >= 4 and not set("".join(cells)) <= set("-: ") and cells[0].lower() != "hazard":
            yield number, cells


def mistakes_of(text, tests):
    bad, count = [], 0
    for number, cells in rows_of(text):
        count += 1
        if not all(cells[:3]):
            bad.append(f"docs/risk.md:{number}: hazard, cause and control must all be said")
        names = re.findall(r"`([^`]+)`", cells[3])
        if not names:
            bad.append(f"docs/risk.md:{number}: no test is named")
        for name in names:
            if name not in tests:
                bad.append(f"docs/risk.md:{number}: there is no test {name}")
    if count < 10:
        bad.append(f"docs/risk.md: only {count} rows were found")
    return bad


def self_test():
    row = "| wrong patient | two patients in a study | parked | `Watcher.ParksTwoPatients` |\n"
    good = "| hazard | cause | control | test |\n|---|---|---|---|\n" + row * 10
    source = "TEST(Watcher, ParksTwoPatients) {\n}\nTEST_F(Watcher, DISABLED_Sleeps) {}\n// TEST(Watcher, Commented) {}\n"
    tests = set(tests_in(source, "tests/server/watcher_test.cpp"))
    tests |= set(tests_in("class T:\n    def test_push(self):\n", "tests/functional/push_test.py"))
    bad = []
    if tests != {"Watcher.ParksTwoPatients", "functional.push.test_push"}:
        bad.append(f"tests are read as {tests}")
    if mistakes_of(good, tests):
        bad.append(f"a good table is refused: {mistakes_of(good, tests)}")
    for old, new, expected in (("ParksTwoPatients", "Sleeps", "there is no test"), ("`Watcher.ParksTwoPatients`", "a review", "no test is named"),
                               ("two patients in a study", "", "must all be said"), (row * 5, "", "only 0 rows")):
        if not any(expected in mistake for mistake in mistakes_of(good.replace(old, new), tests)):
            bad.append(f"{expected!r} is not said")
    for line in bad:
        print(line)
    print(f"self-test: {len(bad)} problems")
    return 1 if bad else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    with open(os.path.join(ROOT, "docs", "risk.md"), encoding="utf-8") as file:
        text = file.read()
    bad = mistakes_of(text, all_tests())
    for line in bad:
        print(line)
    print(f"{sum(1 for _ in rows_of(text))} rows, {len(bad)} mistakes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
