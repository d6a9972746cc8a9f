"""Chromium, driven from Python: one Node process with playwright-core that runs what it is sent (browser.mjs)."""

import json
import os
import shutil
import subprocess

from node import ROOT
from processes import TIME_FACTOR, Failure

NPM = os.environ.get("GLIONODE_NPM") or os.path.join(ROOT, "build", "npm")
PICTURES = os.path.join(ROOT, "out", "page")


class Browser:
    """Texts given to run() are bodies of async JavaScript functions of (page, context, browser, helpers)."""

    process = None  # for FunctionalCase, which prints logs of servers

    def __init__(self, folder):
        chromium = shutil.which("chromium")
        if not chromium:
            raise Failure("chromium is not installed (Debian package: chromium)")
        if not os.path.isdir(os.path.join(NPM, "node_modules", "playwright-core")):
            raise Failure(f"{NPM} has no playwright-core: ./run test installs it")
        self._log = open(os.path.join(folder, "browser.log"), "wb")  # pylint: disable=consider-using-with
        self._node = subprocess.Popen(
            ["node", os.path.join(ROOT, "tests", "support", "browser.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, env=dict(os.environ, GLIONODE_NPM=NPM, GLIONODE_CHROMIUM=chromium, HOME=folder,
                                       GLIONODE_PAGE_TIMEOUT=str(int(30000 * TIME_FACTOR))))

    def run(self, code):
        """The value that `code` returns; Failure with the JavaScript stack when it throws."""
        self._node.stdin.write((json.dumps({"code": code}) + "\n").encode())
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        if not line:
            with open(self._log.name, "rb") as log:
                raise Failure("the browser ended:\n" + log.read().decode("utf-8", "replace")[-2000:])
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer["value"]

    def see(self, text, selector="body"):
        """Waits until the element shows the text."""
        self.run(f"await page.locator({json.dumps(selector)}).filter({{ hasText: {json.dumps(text)} }}).first().waitFor();")

    def picture(self, name):
        os.makedirs(PICTURES, exist_ok=True)
        self.run(f"await page.screenshot({{ path: {json.dumps(os.path.join(PICTURES, name + '.png'))}, fullPage: true }});")

    def stop(self):
        if self._node.poll() is None:
            self._node.stdin.close()
            try:
                self._node.wait(20)
            except subprocess.TimeoutExpired:
                self._node.kill()
                self._node.wait()
        self._node.stdout.close()
        self._log.close()
