#!/usr/bin/env python3
"""Software of others in the node (SOUP): docs/soup.md for people, CycloneDX JSON for programs.

  make_sbom.py                  writes docs/soup.md and prints nothing
  make_sbom.py --json FILE      writes the CycloneDX list of this machine's exact versions (the build calls it)
  make_sbom.py --check          docs/soup.md against packages.txt and this machine: exit 1 with what differs

Versions are what dpkg says of this machine. Debian's security updates change the last part of a version; docs/soup.md is
held against the first two.
"""

import json
import os
import re
import subprocess
import sys
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAPER = os.path.join(ROOT, "docs", "soup.md")
DEBIAN = "https://security-tracker.debian.org/tracker/source-package/"

# Package of section [run] or header-only package of [build]: what for, where its makers list known anomalies.
SOUP = {
    "fonts-dejavu-core": ("letters on captures", "https://github.com/dejavu-fonts/dejavu-fonts/issues"),
    "libboost-dev": ("timers, threads, HTTP (Asio, Beast); exact intervals (Math)", "https://github.com/boostorg/boost/issues"),
    "libcairo2": ("drawing captures", "https://gitlab.freedesktop.org/cairo/cairo/-/issues"),
    "libcli11-dev": ("command line", "https://github.com/CLIUtils/CLI11/issues"),
    "libcsv3": ("reading cohort tables", "https://github.com/rgamble/libcsv/issues"),
    "libdcmtk17": ("DICOM: network, data sets, SR, codecs", "https://support.dcmtk.org/redmine/projects/dcmtk/issues"),
    "libinsighttoolkit5.2": ("registration, resampling, bias field, masks", "https://github.com/InsightSoftwareConsortium/ITK/issues"),
    "libopenjp2-7": ("JPEG 2000 pixels", "https://github.com/uclouvain/openjpeg/issues"),
    "libpng16-16": ("writing captures as PNG", "https://github.com/pnggroup/libpng/issues"),
    "libprometheus-cpp-core1.0": ("metrics as text", "https://github.com/jupp0r/prometheus-cpp/issues"),
    "libsoci-core4.0": ("access to the index", "https://github.com/SOCI/soci/issues"),
    "libsoci-sqlite3-4.0": ("access to the index", "https://github.com/SOCI/soci/issues"),
    "libspdlog1.10": ("log lines", "https://github.com/gabime/spdlog/issues"),
    "libsqlite3-0": ("the index", "https://www.sqlite.org/src/reportlist"),
    "libssl3": ("TLS", "https://www.openssl.org/news/vulnerabilities.html"),
    "libsystemd0": ("telling systemd that the node is ready and lives", "https://github.com/systemd/systemd/issues"),
    "libtomlplusplus3": ("reading the configuration", "https://github.com/marzer/tomlplusplus/issues"),
    "libtorch1.13": ("networks", "https://github.com/pytorch/pytorch/issues"),
    "nlohmann-json3-dev": ("JSON", "https://github.com/nlohmann/json/issues"),
}
# What the page carries (server/web/vendor).
VENDORED = [("htm", "3.1.1", "Apache-2.0", "templates of the administrator's page", "https://github.com/developit/htm/issues"),
            ("preact", "10 (in htm 3.1.1)", "MIT", "the administrator's page", "https://github.com/preactjs/preact/issues")]


def wanted():
    """Packages of section [run], and those of [build] that leave code in the program without a library of their own."""
    names = subprocess.run([os.path.join(ROOT, "docker", "list-packages"), "run"], capture_output=True, text=True, check=True).stdout
    return sorted(set(names.split()) | {"libboost-dev", "libcli11-dev", "nlohmann-json3-dev"})


def installed(names):
    """{package: (version, source package)} of those that are here."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Version}\t${source:Package}\n", *names],
                          capture_output=True, text=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        status, package, version, source = line.split("\t")
        if status == "installed":
            found[package] = (version, source)
    return found


def first_two(version):
    """"1:2.4.6+x-1" gives "2.4"."""
    numbers = re.findall(r"\d+", version.split(":")[-1].split("-")[0])
    return ".".join(numbers[:2])


def paper():
    found = installed(wanted())
    lines = ["# Software of others", "",
             "What the program is made of beside its own code, for those who keep a list of it (IEC 62304 calls it SOUP). Made by",
             "`packaging/make_sbom.py` from docker/packages.txt and what Debian has installed; the build also writes the exact versions",
             "of its machine as CycloneDX (`glionode.cdx.json`, installed beside the papers). Security updates come from Debian.", "",
             "| package | version | what for | known anomalies |", "|---|---|---|---|"]
    for name in wanted():
        purpose, anomalies = SOUP[name]
        version, source = found.get(name, ("not here", name))
        lines.append(f"| {name} | {version} | {purpose} | [makers]({anomalies}), [Debian]({DEBIAN}{source}) |")
    for name, version, license_name, purpose, anomalies in VENDORED:
        lines.append(f"| {name} (npm, {license_name}, in the program) | {version} | {purpose} | [makers]({anomalies}) |")
    return "\n".join(lines) + "\n"


def cyclonedx():
    with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as file:
        version = file.readline().strip()
    found = installed(wanted())
    components = [{"type": "library", "name": name, "version": found[name][0], "bom-ref": name,
                   "purl": f"pkg:deb/debian/{name}@{found[name][0]}?distro=bookworm",
                   "externalReferences": [{"type": "issue-tracker", "url": SOUP[name][1]}]} for name in wanted() if name in found]
    components += [{"type": "library", "name": name, "version": number.split()[0], "bom-ref": f"npm-{name}",
                    "purl": f"pkg:npm/{name}@{number.split()[0]}", "licenses": [{"license": {"id": license_name}}],
                    "externalReferences": [{"type": "issue-tracker", "url": url}]} for name, number, license_name, _, url in VENDORED]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, "glionode " + version + json.dumps(components, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1,
            "metadata": {"component": {"type": "application", "name": "glionode", "version": version, "bom-ref": "glionode",
                                       "licenses": [{"license": {"id": "Apache-2.0"}}]}},
            "components": components,
            "dependencies": [{"ref": "glionode", "dependsOn": [component["bom-ref"] for component in components]}]}


def check():
    bad = [f"make_sbom.py does not know what {name} is for" for name in wanted() if name not in SOUP]
    bad += [f"make_sbom.py tells of {name}, which is not used" for name in SOUP if name not in wanted()]
    with open(PAPER, encoding="utf-8") as file:
        rows = dict(re.findall(r"^\| (\S+) \| (\S+) \|", file.read(), re.M))
    rows.pop("package", None)
    rows = {name: version for name, version in rows.items() if "(npm" not in name}
    found = installed(wanted())
    for name in wanted():
        if name not in rows:
            bad.append(f"docs/soup.md lacks {name}")
        elif name in found and first_two(found[name][0]) != first_two(rows[name]):
            bad.append(f"docs/soup.md says {name} {rows[name]}, here is {found[name][0]}")
    bad += [f"docs/soup.md tells of {name}, which is not used" for name in rows if name not in wanted()]
    known = {component["name"] for component in cyclonedx()["components"]}
    bad += [f"the CycloneDX list lacks {name}" for name in found if name not in known]
    for line in bad:
        print(line + "; packaging/make_sbom.py writes docs/soup.md anew")
    print(f"{len(bad)} mistakes")
    return 1 if bad else 0


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    if sys.argv[1:2] == ["--json"]:
        with open(sys.argv[2], "w", encoding="utf-8") as out:
            json.dump(cyclonedx(), out, indent=2)
        return 0
    with open(PAPER, "w", encoding="utf-8") as out:
        out.write(paper())
    return 0


if __name__ == "__main__":
    sys.exit(main())
