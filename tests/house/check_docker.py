#!/usr/bin/env python3
"""The container is built as ./run builds: packages from docker/packages.txt, the same preset; it runs as nobody special
and says whether it lives. What the built program links is in section [run]. `--self-test`: seeded mistakes are found."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def sections(text):
    found, section = {}, None
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            found[section] = []
        elif line and not line.startswith("#"):
            found[section].append(line)
    return found


def stages(dockerfile):
    """{stage name: (its base, its text)}; continued lines are joined, comments are gone."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.M).replace("\\\n", " ")
    found, name = {}, None
    for line in text.splitlines():
        start = re.match(r"FROM\s+(\S+)\s+AS\s+(\S+)", line)
        if start:
            name = start[2]
            found[name] = [start[1], ""]
        elif name:
            found[name][1] += line + "\n"
    return {name: tuple(value) for name, value in found.items()}


def whole(found, name):
    """The text of a stage with that of the stages it stands on."""
    base, text = found[name]
    return (whole(found, base) if base in found else "") + text


def mistakes_of(dockerfile, run):
    bad, found = [], stages(dockerfile)
    for name in ("build-cpu", "build-cuda", "cpu", "cuda", "orthanc"):
        if name not in found:
            return [f"there is no stage {name}"]
    if not re.search(r"^ARG DEBIAN=debian:bookworm\S*$", dockerfile, re.M):
        bad.append("the base is not a pinned Debian 12")
    if not re.search(r"^ARG PYTORCH=pytorch/pytorch:\d+\.\d+\.\d+-cuda\S+$", dockerfile, re.M):
        bad.append("the PyTorch image is not pinned")
    for name in ("build-cpu", "build-cuda"):
        text = whole(found, name)
        if "$(docker/list-packages build run" not in text:
            bad.append(f"{name} does not install the sections build and run of packages.txt")
        for command in ("cmake --preset release", "cmake --build --preset release"):
            if command not in text:
                bad.append(f"{name} does not call `{command}`")
    for name in ("cpu", "cuda"):
        text = whole(found, name)
        if "list-packages run" not in text:
            bad.append(f"{name} does not install section run of packages.txt")
        users = re.findall(r"^USER\s+(\S+)", text, re.M)
        if not users or users[-1] in ("root", "0"):
            bad.append(f"{name} runs as root")
        if not re.search(r"^HEALTHCHECK .*/live", text, re.M):
            bad.append(f"{name} has no health check of /live")
        if not re.search(r"^VOLUME .*/var/lib/glionode", text, re.M):
            bad.append(f"{name} has no volume for its data")
    for name, (_, text) in found.items():
        for install in re.findall(r"apt-get install([^&|]*)", text):
            words = [word for word in re.sub(r"\$\([^)]*\)?", "", install).split() if not word.startswith("-")]
            if words and not (name == "orthanc" and words == ["orthanc"]):
                bad.append(f"{name} installs packages that are not from packages.txt: {' '.join(words)}")
    for command in ('cmake --preset "$preset"', 'cmake --build --preset "$preset"', "docker/list-packages"):
        if command not in run:
            bad.append(f"./run does not call {command}")
    if "configure release" not in run or "build release" not in run:
        bad.append("./run does not build the preset release")
    return bad


def list_packages(*names):
    done = subprocess.run([os.path.join(ROOT, "docker", "list-packages"), *names], capture_output=True, text=True, check=True)
    return done.stdout.split()


def unlisted_libraries(binary, listed):
    """Packages whose libraries the program names itself (not by way of others) and that no package in `listed` brings."""
    named = set(re.findall(r"\(NEEDED\).*\[(.+)\]", subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout))
    paths = dict(re.findall(r"^\s*(\S+) => (/\S+)", subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout, re.M))
    missing = set()
    for library in named:
        path = paths.get(library)
        if not path:
            continue
        for candidate in (path, path.removeprefix("/usr"), os.path.realpath(path)):
            owner = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True, check=False).stdout
            if owner:
                package = owner.split(":")[0]
                if package not in listed and package not in ("libc6", "libgcc-s1", "libstdc++6"):
                    missing.add(package)
                break
    return sorted(missing)


def self_test():
    dockerfile, run = read("docker/Dockerfile"), read("run")
    seeds = [(" cmake --preset release", " cmake -B build"), ("USER glionode", "USER root"), ("/live", "/"),
             ("$(docker/list-packages build run)", "g++ cmake"), ("pytorch:2.7.1-cuda12.6-cudnn9-devel", "pytorch:latest"),
             ("$(/tmp/docker/list-packages run)", "libdcmtk17"), ("debian:bookworm-slim", "ubuntu:24.04")]
    bad = 0
    for old, new in seeds:
        if old not in dockerfile or not mistakes_of(dockerfile.replace(old, new), run):
            print(f"{new!r} instead of {old!r} is not found")
            bad += 1
    if not mistakes_of(dockerfile, run.replace("docker/list-packages", "echo")):
        print("a run that lists packages otherwise is not found")
        bad += 1
    print(f"{len(seeds) + 1} seeded mistakes, {bad} not found")
    return 1 if bad else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    bad = mistakes_of(read("docker/Dockerfile"), read("run"))
    listed = sections(read("docker/packages.txt"))
    for name in ("run", "build", "test", "bench", "lint"):
        if not listed.get(name):
            bad.append(f"packages.txt has no section [{name}]")
        elif list_packages(name) != listed[name]:
            bad.append(f"docker/list-packages {name} prints other names than the section holds")
    if list_packages("build", "run") != listed.get("build", []) + listed.get("run", []):
        bad.append("docker/list-packages does not print two sections in the file's order")
    twice = [name for names in listed.values() for name in names if sum(name in other for other in listed.values()) > 1]
    if twice:
        bad.append(f"in two sections of packages.txt: {', '.join(sorted(set(twice)))}")
    binary = os.path.join(ROOT, "build", "release", "bin", "glionode")
    if os.path.exists(binary):
        missing = unlisted_libraries(binary, listed.get("run", []))
        if missing:
            bad.append(f"section [run] of packages.txt lacks what the program links: {' '.join(missing)}")
    for line in bad:
        print(line)
    print(f"{len(bad)} mistakes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
