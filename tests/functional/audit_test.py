"""The audit trail on its way to a collector, over TLS (RFC 5425): the real program against Python's ssl module."""

import os
import socket
import ssl
import threading
import xml.etree.ElementTree as ElementTree

if "GLIONODE_STANDIN_BINARY" in os.environ:
    os.environ["GLIONODE_BINARY"] = os.environ["GLIONODE_STANDIN_BINARY"]
    os.environ["GLIONODE_BUNDLE"] = os.path.dirname(os.path.abspath(__file__))  # never opened

from case import FunctionalCase, main  # noqa: E402
from certificates import Certificates  # noqa: E402
from node import run  # noqa: E402
from processes import free_port, wait_for  # noqa: E402


class Collector:
    """A syslog collector: TLS alone, octet counting, one connection after the other. `messages`: in order of arrival."""

    def __init__(self, port, certificates, name):
        self.messages, self.connections, self.ended, self.problems = [], 0, 0, []
        self.certificates, self.hang_up = certificates, threading.Event()
        self.show(name)
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def show(self, name):
        """Uses this certificate from the next connection on."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificates.certificate(name), self.certificates.key(name))

    def close(self):
        self.hang_up.set()
        self.listener.close()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as link:
                    self.connections += 1
                    self._take(link)
            except (OSError, ValueError) as problem:
                self.problems.append(str(problem))
            self.ended += 1

    def _take(self, link):
        """MSG-LEN SP SYSLOG-MSG (RFC 5425 4.3), until the other side ends or hang_up() is asked for."""
        link.settimeout(0.05)
        data = b""
        while not self.hang_up.is_set():
            try:
                got = link.recv(65536)
            except TimeoutError:
                continue
            if not got:
                return
            data += got
            while b" " in data:
                count, rest = data.split(b" ", 1)
                if not count.isdigit():
                    raise ValueError(f"no message length: {count[:40]!r}")
                if len(rest) < int(count):
                    break
                self.messages.append(rest[:int(count)])
                data = rest[int(count):]
        self.hang_up.clear()

    def end_connection(self):
        """Hangs up, as a collector does that is restarted; the listener stays."""
        before = self.ended
        self.hang_up.set()
        wait_for("the connection to end", lambda: self.ended > before, 30)


class Audit(FunctionalCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(os.path.join(self.folder, "certificates"))
        self.certificates.make_ca("ca").make("collector", common_name="localhost").make("other", common_name="other.example")

    def node(self, port):
        return self.start_node(sections={"audit": {"syslog": f"tls://localhost:{port}", "tls_ca": self.certificates.certificate("ca")}})

    def collector(self, port, name="collector"):
        collector = Collector(port, self.certificates, name)
        self.addCleanup(collector.close)
        return collector

    def trail(self, server):
        with open(os.path.join(server.data, "audit", "audit.xml"), encoding="utf-8") as file:
            return file.read().splitlines()

    def spooled(self, server):
        return os.listdir(os.path.join(server.data, "audit", "spool"))

    def wait_all(self, server, collector):
        """Every message of the file came, in its order and once, and none waits any more."""
        wait_for("the spool to empty", lambda: not self.spooled(server), 60)
        wait_for("the messages", lambda: len(collector.messages) >= len(self.trail(server)), 30)
        came = [message.split("\ufeff".encode(), 1)[1].decode() for message in collector.messages]
        self.assertEqual(came, self.trail(server))
        for message, text in zip(collector.messages, came):
            self.assertRegex(message, rb"^<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ glionode \d+ IHE\+RFC-3881 - ")
            ElementTree.fromstring(text)

    def order(self, server, word):
        run(word, "HOSPITAL", "--config", server.configuration)

    def test_over_tls_nothing_is_lost_while_the_collector_is_away(self):
        port = free_port()
        server = self.node(port)
        self.order(server, "pause")
        self.assertEqual(len(self.spooled(server)), len(self.trail(server)))
        collector = self.collector(port)
        self.wait_all(server, collector)
        self.assertEqual(collector.connections, 1)
        # The collector is restarted: what comes next goes over a new connection, and is not written into the old one.
        for word in ("resume", "pause"):
            collector.end_connection()
            self.order(server, word)
            self.wait_all(server, collector)
        self.assertEqual(collector.connections, 3)
        self.assertEqual(collector.problems, [])

    def test_a_collector_with_another_name_is_told_nothing(self):
        port = free_port()
        server = self.node(port)
        collector = self.collector(port, "other")
        wait_for("an attempt", lambda: collector.problems, 60)
        self.order(server, "pause")
        self.assertEqual(len(self.spooled(server)), len(self.trail(server)))
        self.assertEqual(collector.messages, [])
        self.assertIn("the audit collector", server.process.log_text())
        collector.show("collector")
        self.wait_all(server, collector)


if __name__ == "__main__":
    main()
