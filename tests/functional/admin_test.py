"""The administrator's interface of the running node: its API under all that callers can do wrong, and its guards."""

import json
import os
import random
import re
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

from browser import NPM
from case import FunctionalCase, main
from certificates import Certificates
from dicom_tools import dicom_files, echo, store
from node import ROOT, Node, run
from processes import wait_for


def raw(port, data, timeout=20):
    """Sends bytes; the status of the answer, or 0 when the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.settimeout(timeout)
        try:
            connection.sendall(data)
            answer = b""
            while b"\r\n" not in answer:
                got = connection.recv(4096)
                if not got:
                    break
                answer += got
        except (ConnectionResetError, BrokenPipeError):
            return 0
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return int(found[1]) if found else 0


class Admin(FunctionalCase):
    def test_openapi_document_is_valid_and_answers_are_as_it_says(self):
        """The document is OpenAPI 3.1, and every answer of the node fits the schema that it promises."""
        import jsonschema  # Debian: python3-jsonschema
        server = self.start_node()
        store(server.dicom_port, dicom_files(self.phantom(61))[:3])
        document = server.get("/api/v1/openapi.json")
        path = os.path.join(self.folder, "openapi.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(document, out)
        script = ("import {createRequire} from 'node:module'; const require = createRequire(process.argv[2] + '/');"
                  "const {Validator} = await import(require.resolve('@seriousme/openapi-schema-validator'));"
                  "const result = await new Validator().validate(process.argv[3]);"
                  "console.log(JSON.stringify(result)); process.exit(result.valid ? 0 : 1);")
        file = os.path.join(self.folder, "check.mjs")
        with open(file, "w", encoding="utf-8") as out:
            out.write(script)
        done = subprocess.run(["node", file, NPM, path], capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        checked = 0
        for route, methods in document["paths"].items():
            if "get" not in methods or "{" in route or route == "/api/v1/events":
                continue
            status, body = server.request(route)
            self.assertEqual(status, 200, route)
            media = methods["get"]["responses"]["200"]["content"]
            if "application/json" in media:
                jsonschema.validate(json.loads(body), media["application/json"]["schema"])
                checked += 1
        self.assertGreaterEqual(checked, 7)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"studies": 1}, document["paths"]["/api/v1/studies"]["get"]["responses"]["200"]["content"]
                                ["application/json"]["schema"])

    def test_fuzzed_api_leaves_the_node_as_it_was(self):
        """Every route with wrong methods, types and sizes: an answer in the one error shape, never a 500, and DICOM goes on."""
        server = self.start_node()
        document = server.get("/api/v1/openapi.json")
        draw = random.Random(20261121)
        wrong = [b"", b"{}", b"[]", b"null", b"{", b'{"ids":[1e400]}', b'{"ids":[99999999999999999999]}', b'{"peer":""}',
                 b'{"peer":{"a":[]}}', b'{"study_uid":"../../etc/passwd"}', b'{"reason":"' + b"x" * 60000 + b'"}', b"[" * 60000,
                 b'{"a":' * 10000, b"\xff\xfe\x00", json.dumps({"peer": "'; DROP TABLE studies; --"}).encode(),
                 bytes(draw.randrange(256) for _ in range(4000))]
        queries = ["", "?limit=-1", "?limit=" + "9" * 400, "?state=%00", "?search=%27%20OR%201=1", "?%", "?&&&=&", "?page=0", "?x[]=1"]
        seen = {server.request(route)[0] for route in document["paths"] if route != "/api/v1/events" and "echo" not in route}
        for route in document["paths"]:
            path = re.sub(r"\{[a-z_]+\}", lambda _: draw.choice(["1.2.3", "%2e%2e%2f", "a" * 2000, "%00", "%ff", "%"]), route)
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW"):
                body = draw.choice(wrong)
                if (route, method) in (("/api/v1/events", "GET"), ("/api/v1/reload", "POST")):
                    continue
                head = f"{method} {path}{draw.choice(queries)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                status = raw(server.admin_port, head.encode() + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
                self.assertNotIn(status, (500, 502), (method, path, body[:80]))
                seen.add(status)
        self.assertTrue({200, 400, 404, 405} <= seen, seen)
        for head in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + bytes(200),
                     b"POST /api/v1/retry HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            self.assertNotEqual(raw(server.admin_port, head + b"\r\n\r\n"), 200)
        big = b"POST /api/v1/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
        self.assertEqual(raw(server.admin_port, big + b"x" * 100000), 413)
        self.assertEqual(raw(server.admin_port, b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 9000 + b"\r\n\r\n"), 431)
        self.assert_serving(server)

    def test_a_thousand_idle_connections_and_slow_bodies_disturb_nobody(self):
        server = self.start_node()
        idle = []
        try:
            for _ in range(1000):
                idle.append(socket.create_connection(("127.0.0.1", server.admin_port), timeout=20))
            idle[0].sendall(b"POST /api/v1/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{")
            sent = store(server.dicom_port, dicom_files(self.phantom(62)))
            self.assertEqual(sent.refused, [], sent.text)
            self.assertTrue(echo(server.dicom_port)[0])
            self.assertLess(len(os.listdir(f"/proc/{server.process.pid}/fd")), 200)
            # Those that hold the places lose them: the interface answers again though none of them went away.

            def answers():
                try:
                    return server.request("/live", timeout=2)[0] == 200
                except OSError:
                    return False
            wait_for("the interface to answer again", answers, 60, 0.2, server.process.require_running)
        finally:
            for connection in idle:
                connection.close()
        wait_for("a quiet interface", lambda: server.request("/live")[0] == 200, 30)
        self.assert_serving(server)

    def test_tls_tokens_and_roles(self):
        """Another address than loopback: only with TLS and a token; a reader changes nothing; a new token comes with a reload."""
        certificate, key, tokens = (os.path.join(self.folder, name) for name in ("admin.crt", "admin.key", "admin.tokens"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=glionode", "-keyout",
                        key, "-out", certificate], check=True, capture_output=True)

        def write_tokens(read):
            with open(tokens, "w", encoding="utf-8") as out:
                out.write(f"# who may what\nread {read} nurse\noperate {'b' * 32} chief\n")
            os.chmod(tokens, 0o600)
        write_tokens("a" * 32)
        server = Node(self.folder, 9, peer={"deliver": "none"}, sections={
            "admin": {"bind": "0.0.0.0", "certificate": certificate, "key": key, "token_file": tokens}})
        self.servers.append(server)
        server.start(wait_ready=False)
        context = ssl.create_default_context(cafile=certificate)
        context.check_hostname = False

        def ask(path, token=None, method="GET", tls=context, headers=None):
            request = urllib.request.Request(f"https://127.0.0.1:{server.admin_port}{path}", method=method,
                                             data=b"{}" if method == "POST" else None)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                request.add_header(name, value)
            if token:
                request.add_header("Authorization", f"Bearer {token}")
            try:
                with urllib.request.urlopen(request, timeout=30, context=tls) as answer:
                    return answer.status
            except urllib.error.HTTPError as refusal:
                return refusal.code
        self.assertEqual(ask("/live"), 200)
        self.assertEqual(ask("/"), 200)
        for path in ("/api/v1/status", "/api/v1/studies", "/metrics", "/api/v1/events"):
            self.assertEqual(ask(path), 401, path)
            self.assertEqual(ask(path, "c" * 32), 401, path)
        self.assertEqual(ask("/api/v1/status", "a" * 32), 200)
        self.assertEqual(ask("/api/v1/reload", "a" * 32, "POST"), 403)
        self.assertEqual(ask("/api/v1/status", "a" * 32, headers={"Host": "evil.example"}), 403)
        self.assertEqual(ask("/api/v1/status", "a" * 32, headers={"Origin": "https://evil.example"}), 403)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError):
            ask("/live", tls=old)
        with self.assertRaises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/live", timeout=10)
        # The command line on the same machine knows certificate and token from the configuration.
        self.assertIn("GLIONODE", run("status", "--config", server.configuration).stdout)
        write_tokens("d" * 32)
        self.assertEqual(ask("/api/v1/reload", "b" * 32, "POST"), 200)
        self.assertEqual(ask("/api/v1/status", "a" * 32), 401)
        self.assertEqual(ask("/api/v1/status", "d" * 32), 200)
        os.chmod(tokens, 0o644)
        said = json.loads(run("reload", "--config", server.configuration, "--json", check=False).stdout or "{}")
        self.assertFalse(said.get("reloaded", False))
        os.chmod(tokens, 0o600)
        self.assertEqual(ask("/api/v1/status", "d" * 32), 200)
        # Back to loopback without tokens: the socket is still open to other machines, so the reload is refused.
        server.sections["admin"], guarded = {"bind": "127.0.0.1", "port": server.admin_port}, server.sections["admin"]
        self.assertIn('listens on "0.0.0.0" until the node is restarted', server.reload())
        self.assertEqual(ask("/api/v1/status"), 401)
        self.assertEqual(ask("/api/v1/status", "d" * 32), 200)
        server.sections["admin"] = guarded
        server.write_configuration()
        for word in ("d" * 32, "b" * 32):
            self.assertNotIn(word, server.process.log_text())

    def test_other_addresses_need_tls_and_a_token(self):
        server = self.start_node()
        server.stop()
        server.sections["admin"]["bind"] = "0.0.0.0"
        server.write_configuration()
        checked = run("check", "--config", server.configuration, check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertIn("needs certificate, key and token_file", checked.stdout + checked.stderr)
        self.assertEqual(run("serve", "--config", server.configuration, check=False, timeout=60).returncode, 2)

    def test_check_says_what_keeps_serve_from_starting(self):
        """A key of another certificate, and tokens that others may read: both end with 2 and the same words."""
        made = Certificates(os.path.join(self.folder, "certificates")).make_ca("ca").make("admin").make("other")
        tokens = os.path.join(self.folder, "admin.tokens")
        with open(tokens, "w", encoding="utf-8") as out:
            out.write(f"operate {'b' * 32} chief\n")
        server = Node(self.folder, 9, peer={"deliver": "none"}, sections={"admin": {
            "bind": "127.0.0.1", "certificate": made.certificate("admin"), "key": made.key("other"), "token_file": tokens}})
        os.makedirs(server.data, exist_ok=True)
        for key, mode, words in (("other", 0o600, "cannot be used as the key of"), ("admin", 0o644, "chmod 600"), ("admin", 0o600, None)):
            server.sections["admin"]["key"] = made.key(key)
            os.chmod(tokens, mode)
            server.write_configuration()
            checked = run("check", "--config", server.configuration, check=False)
            self.assertEqual(checked.returncode, 2 if words else 0, checked.stdout + checked.stderr)
            if words:
                self.assertIn(words, checked.stderr)
                served = run("serve", "--config", server.configuration, check=False, timeout=60)
                self.assertEqual(served.returncode, 2, served.stderr)
                self.assertIn(words, served.stderr)

    def test_a_reload_says_what_is_in_force(self):
        server = self.start_node()
        server.sections["dicom"]["max_associations"] = 7
        server.accept = [{"StudyDescription": "never"}]
        server.write_configuration()
        said = json.loads(run("reload", "--config", server.configuration, "--json").stdout)
        self.assertTrue(said["reloaded"])
        # (The ports are no longer 0 but those that it took.)
        self.assertEqual(set(said["needs_restart"]) - {"dicom.port", "admin.port"}, set())
        server.sections["node"]["ae_title"], ours = "RENAMED", server.sections["node"]["ae_title"]
        server.write_configuration()
        said = json.loads(run("reload", "--config", server.configuration, "--json").stdout)
        self.assertEqual(set(said["needs_restart"]) - {"dicom.port", "admin.port"}, {"node.ae_title"})
        server.sections["node"]["ae_title"] = ours
        # Limits are in force at once: nothing is free enough now, and then it is again.
        free = server.sections["storage"].get("min_free_gib", 0)
        for gib, words in ((1_000_000, "min_free_gib"), (free, None)):
            server.sections["storage"]["min_free_gib"] = gib
            server.write_configuration()
            run("reload", "--config", server.configuration)
            reached, said = echo(server.dicom_port)
            self.assertEqual(reached, words is None, said)
            status, body = server.request("/ready")
            self.assertEqual(status, 503 if words else 200, body)
            self.assertIn(words or "ready", body)
        with open(server.configuration, "a", encoding="utf-8") as file:
            file.write("[dicom2]\n")
        done = run("reload", "--config", server.configuration, check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("dicom2", done.stdout + done.stderr)
        request = urllib.request.Request(f"http://127.0.0.1:{server.admin_port}/api/v1/reload", data=b"{}",
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            refused = json.load(answer)
        self.assertFalse(refused["reloaded"])
        self.assertIn("dicom2", " ".join(refused["findings"]))
        self.assert_serving(server)

    def test_alert_rules_and_metrics_fit(self):
        """promtool takes rules and metrics, and every metric that a rule names is one that the node has."""
        rules = os.path.join(ROOT, "docker", "glionode.rules.yml")
        done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        server = self.start_node()
        store(server.dicom_port, dicom_files(self.phantom(63)))
        wait_for("a result", lambda: "glionode_results_total" in server.request("/metrics")[1], 120, 0.2)
        echo(server.dicom_port, calling="STRANGER")
        text = server.request("/metrics")[1]
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(rules, encoding="utf-8") as file:
            named = set(re.findall(r"glionode_[a-z_]+", re.sub(r"summary:.*", "", file.read())))
        # These have no line before something is there to count.
        later = {"glionode_result_reasons_total", "glionode_outbox", "glionode_certificate_days_left"}
        known = set(re.findall(r"^# TYPE (glionode_[a-z_]+)", text, re.M))
        self.assertEqual(named - known - later, set())
        self.assertIn('glionode_stage_seconds_bucket{stage="total",le="+Inf"} 1', text)


if __name__ == "__main__":
    main()
