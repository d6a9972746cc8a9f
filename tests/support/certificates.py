#!/usr/bin/env python3
"""Certificates for tests, made by openssl: two authorities, and certificates of the first for the node and its PACS.

  certificates.py FOLDER      writes NAME.key and NAME.crt (PEM) for: ca node pacs other_pacs expired foreign_ca foreign
"""

import os
import subprocess
import sys


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


class Certificates:
    KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder

    def key(self, name):
        return os.path.join(self.folder, name + ".key")

    def certificate(self, name):
        return os.path.join(self.folder, name + ".crt")

    def make_ca(self, name):
        openssl("req", "-x509", *self.KEY, "-keyout", self.key(name), "-out", self.certificate(name),
                "-subj", f"/CN=Test authority {name}", "-days", "30")
        return self

    def make(self, name, ca="ca", days=30, common_name=None):
        """A certificate of `ca`; negative days: one that has expired."""
        request = os.path.join(self.folder, name + ".csr")
        openssl("req", *self.KEY, "-keyout", self.key(name), "-out", request, "-subj", f"/CN={common_name or name}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate(ca), "-CAkey", self.key(ca), "-CAcreateserial",
                "-out", self.certificate(name), "-days", str(days))
        os.chmod(self.key(name), 0o600)
        return self

    def fingerprint(self, name):
        """As openssl prints it, AA:BB:..."""
        return openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", self.certificate(name)).split("=")[1].strip()

    def make_all(self):
        self.make_ca("ca").make_ca("foreign_ca")
        self.make("node").make("pacs").make("other_pacs").make("expired", days=-1).make("foreign", ca="foreign_ca")
        return self


if __name__ == "__main__":
    Certificates(sys.argv[1]).make_all()
