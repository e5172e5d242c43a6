"""A reverse proxy on this machine, as jupyter-server-proxy is one: it takes its prefix off the path, or leaves it."""

import socket
import threading
from contextlib import contextmanager


def _piped(one, other):
    try:
        while part := one.recv(65536):
            other.sendall(part)
        other.shutdown(socket.SHUT_WR)
    except OSError:  # the other side has gone
        pass


def _passed_on(asking, port, prefix):
    """One request with its connection; a browser asks for the next one on another."""
    with asking, socket.create_connection(("127.0.0.1", port)) as serving:
        head = b""
        while b"\r\n\r\n" not in head:
            part = asking.recv(65536)
            if not part:
                return
            head += part
        verb, path, rest = head.split(b" ", 2)
        if not path.startswith(prefix):
            asking.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if b"upgrade: websocket" not in rest.lower():
            rest = rest.replace(b"Connection: keep-alive", b"Connection: close")
        serving.sendall(b" ".join([verb, path[len(prefix) :], rest]))
        back = threading.Thread(target=_piped, args=(serving, asking), daemon=True)
        back.start()
        _piped(asking, serving)
        back.join()


@contextmanager
def proxied(port, prefix):
    """The proxy's address; behind its prefix is the server at that port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept():
            while True:
                try:
                    asking, _ = listening.accept()
                except OSError:  # closed
                    return
                threading.Thread(target=_passed_on, args=(asking, port, prefix.encode()), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{prefix}"
        listening.shutdown(socket.SHUT_RDWR)
