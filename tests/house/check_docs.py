#!/usr/bin/env python3
"""What the papers say is so: README's beginning, commands and files it names, one version everywhere, no broken links."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def check_readme(bad):
    readme = read("README.md")
    head = readme[:1500]
    if not readme.startswith("# glionode\n"):
        bad.append("README.md does not begin with its name")
    if "not for clinical use" not in head.lower():
        bad.append('README.md does not say "not for clinical use" within its first 1500 characters')
    for command in ("./run demo", "./run test"):
        if command not in head:
            bad.append(f"README.md does not name {command} within its first 1500 characters")
    if not re.search(r"```[^`]*C-STORE[^`]*```", readme):
        bad.append("README.md has no picture of the way of a study")
    if "ae_title" not in readme:
        bad.append("README.md does not show the AE titles")
    run = read("run")
    usage = subprocess.run([os.path.join(ROOT, "run"), "help"], capture_output=True, text=True, check=True).stdout
    for path in papers():
        for command in set(re.findall(r"\./run ([a-z]+)", read(path))):
            if command == "command":
                continue
            if not re.search(rf"^  (\w+ \| )*{command}( \| \w+)*\)", run, re.M) or command not in usage:
                bad.append(f"{path} names ./run {command}, which run does not know")


def papers():
    return ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] + \
        sorted(f"docs/{name}" for name in os.listdir(os.path.join(ROOT, "docs")) if name.endswith(".md"))


def check_links(bad):
    for path in papers():
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(path)):
            if not re.match(r"[a-z]+:", target) and not os.path.exists(os.path.join(ROOT, os.path.dirname(path), target)):
                bad.append(f"{path}: link to {target}, which is not there")


def check_version(bad):
    version = read("VERSION").strip()
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        bad.append(f"VERSION holds {version!r}")
    first = re.search(r"^## \[?(\d+\.\d+\.\d+|Unreleased)\]?(?: - (\d+\.\d+\.\d+))?", read("CHANGELOG.md"), re.M)
    if not first:
        bad.append("CHANGELOG.md has no version")
    elif version not in (first[1], first[2]):
        bad.append(f"CHANGELOG.md begins with {first[0]!r}, VERSION says {version}")


def check_licence(bad):
    if "Apache License" not in read("LICENSE") or "END OF TERMS AND CONDITIONS" not in read("LICENSE"):
        bad.append("LICENSE is not the whole Apache License 2.0")


def check_presets(bad):
    import json
    presets = json.loads(read("CMakePresets.json"))
    options = {"CMAKE_BUILD_TYPE", "CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER", "CMAKE_COMPILE_WARNING_AS_ERROR"}
    cmake = read("CMakeLists.txt")
    for preset in presets["configurePresets"]:
        for variable in preset.get("cacheVariables", {}):
            if variable not in options and not variable.startswith(("CMAKE_C_FLAGS", "CMAKE_CXX_FLAGS")) and variable not in cmake:
                bad.append(f"CMakePresets.json sets {variable}, which nothing reads")
    for name in ("release", "dev", "asan", "tsan", "ci"):
        for kind in ("configurePresets", "buildPresets", "testPresets"):
            if name not in [preset["name"] for preset in presets[kind]]:
                bad.append(f"CMakePresets.json has no {name} in {kind}")
    if [preset for preset in presets["testPresets"] if preset["name"] == "base"][0]["execution"]["noTestsAction"] != "error":
        bad.append("a run of no tests at all would pass")


def main():
    bad = []
    for check in (check_readme, check_links, check_version, check_licence, check_presets):
        check(bad)
    for line in bad:
        print(line)
    print(f"{len(bad)} mistakes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
