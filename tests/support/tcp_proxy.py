"""A TCP proxy on a free port of this machine; what it does with the bytes is its subclass's business."""

import socket
import threading


class TcpProxy:
    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def takes(self):
        """Whether a caller is let through to the server now."""
        return True

    def relay(self, source, target, to_server):
        """Moves bytes in one direction until one side has ended or failed (OSError), in a thread of its own."""
        raise NotImplementedError

    def close(self):
        """No further callers; those that are there stay."""
        self._end(self.listener)  # closing it alone would leave accept() waiting, and the port open

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if not self.takes():
                    raise OSError("refused")
                server = socket.create_connection(("127.0.0.1", self.target_port), 10)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, target, to_server):
        try:
            self.relay(source, target, to_server)
        except OSError:
            pass
        finally:
            self._end(source, target)

    @staticmethod
    def _end(*sockets):
        for end in sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
