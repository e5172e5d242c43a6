"""The server of the explorer: on this machine only, behind an address that nobody can guess."""

import os
import secrets
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

from ode_sgd.core import check
from ode_sgd.core.errors import ExplorerError
from ode_sgd.explorer.state import Origin
from ode_sgd.studies.tables import Values

LOOPBACK = "127.0.0.1"
ORIGINS = ("127.0.0.1:*", "localhost:*")  # at any port: an ssh tunnel may have another one
EXTRA = "pip install 'ode-sgd[explore]'"
HUB = "JUPYTERHUB_SERVICE_PREFIX"  # where a server on JupyterHub has its pages
PAGE = Path(__file__).with_name("page.html")
UNUSED = 5000  # milliseconds for which the session of a closed tab is kept
PATIENCE = 30.0  # seconds for the server to begin, or to end


class Explorer:
    """What `explore` returns: a server in a thread of its own, which ends with `stop` or with the process.

    Parameters
    ----------
    origin : Origin
    usual_simulation : dict or None
        As for `Session`.
    port : int
        0 is any free one.
    prefix : str
        What a proxy leaves before the path of a page.
    origins : sequence of str
        Hosts besides this machine from whose pages browsers connect; "*" is all.

    Attributes
    ----------
    address : str
        Of the page, with its token.

    Raises
    ------
    ExplorerError
        If Bokeh is not installed, or the port is taken.

    Examples
    --------
    >>> page = ode_sgd.explore(problem, browser=False, wait=False)
    >>> repr(page).startswith("Explorer(http://127.0.0.1:")
    True
    >>> page.stop()
    """

    def __init__(
        self,
        origin: Origin,
        usual_simulation: Values | None = None,
        *,
        port: int = 0,
        prefix: str = "",
        origins: Sequence[str] = (),
    ) -> None:
        self._origin, self._usual = origin, usual_simulation
        self._port = check.integer("port", port, 0, 65535)
        self._prefix = prefix.strip("/")
        self._origins = [*ORIGINS, *map(_pattern, origins)]
        self._token = secrets.token_urlsafe(24)
        self._begun = threading.Event()
        self._sessions: WeakSet[Any] = WeakSet()
        self._fault: Exception | None = None
        self._server: Any = None
        self._thread = threading.Thread(target=self._serve, daemon=True, name="ode-sgd explorer server")
        self._thread.start()
        self._begun.wait(PATIENCE)
        if self._fault is not None:
            raise self._fault

    def __repr__(self) -> str:
        return f"Explorer({self.address}{'' if self._thread.is_alive() else ', ended'})"

    @property
    def path(self) -> str:
        """The page's path, with the token that opens it."""
        return f"/{self._prefix}/{self._token}" if self._prefix else f"/{self._token}"

    @property
    def address(self) -> str:
        """The page's address on this machine."""
        return f"http://{LOOPBACK}:{self._port}{self.path}"

    @property
    def proxied(self) -> str:
        """The page's path on the JupyterHub that this process runs on; empty where it runs on none."""
        base = os.environ.get(HUB, "")
        kind = "proxy/absolute" if self._prefix else "proxy"
        return self.path if self._prefix and base else f"{base}{kind}/{self._port}{self.path}" if base else ""

    def open(self) -> bool:
        """Open the page in a browser; False where there is none.

        The address is handed over in a file that only this user can read: others see the arguments of processes.
        """
        content = f'<!doctype html><meta http-equiv="refresh" content="0;url={self.address}"><title>ode-sgd</title>'
        with tempfile.NamedTemporaryFile("w", prefix="ode-sgd-", suffix=".html", delete=False) as file:  # mode 0600
            file.write(content)
        try:
            return webbrowser.open(Path(file.name).as_uri())
        except webbrowser.Error:
            return False

    def wait(self) -> None:
        """Return when the server has ended; Ctrl-C raises KeyboardInterrupt."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def stop(self) -> None:
        """End the server; whatever is computed is given up."""
        if self._thread.is_alive():
            self._server.io_loop.add_callback(self._end)
            self._thread.join(PATIENCE)

    def _end(self) -> None:
        for session in list(self._sessions):
            session.close()
        self._server.stop()
        self._server.io_loop.stop()

    def _serve(self) -> None:
        try:
            self._server = self._made()
            self._server.start()
        except Exception as error:
            self._fault = error
            return
        finally:
            self._begun.set()
        self._server.io_loop.start()
        self._server.io_loop.close()

    def _made(self) -> Any:
        import asyncio

        try:
            from bokeh.application import Application
            from bokeh.application.handlers.function import FunctionHandler
            from bokeh.server.server import BaseServer
            from bokeh.server.tornado import BokehTornado
            from tornado.httpserver import HTTPServer
            from tornado.ioloop import IOLoop
        except ImportError as error:
            raise ExplorerError(f"the explorer needs Bokeh ({error}); {EXTRA}") from error
        listening, self._port = self._bound()
        asyncio.set_event_loop(asyncio.new_event_loop())
        tornado = BokehTornado(
            {f"/{self._token}": Application(FunctionHandler(self._begin_page()))},
            prefix=self._prefix,
            extra_websocket_origins=self._origins,
            use_index=False,  # it would tell the token
            check_unused_sessions_milliseconds=UNUSED // 2,
            unused_session_lifetime_milliseconds=UNUSED,
        )
        http = HTTPServer(tornado)
        http.add_sockets([listening])
        return BaseServer(IOLoop.current(), tornado, http)

    def _bound(self) -> tuple[socket.socket, int]:
        """A socket that listens on this machine only, and its port.

        What it accepts inherits that small frames go out at once: a message has several, and each would wait for the
        browser to acknowledge the one before, which it does after up to 40 ms.
        """
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as after an end a moment ago
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setblocking(False)
            made.bind((LOOPBACK, self._port))
            made.listen()
        except OSError as error:
            made.close()
            raise ExplorerError(
                f"port {self._port} cannot be served ({error.strerror or error}); give another one, or none: a free "
                "one is found"
            ) from error
        return made, made.getsockname()[1]

    def _begin_page(self) -> Callable[[Any], None]:
        from ode_sgd.explorer.session import Session

        template = PAGE.read_text(encoding="utf-8")

        def begin(document: Any) -> None:
            given: Mapping[str, list[bytes]] = document.session_context.request.arguments
            query = [(name, value.decode(errors="replace")) for name, values in given.items() for value in values[:1]]
            document.title, document.template = "ode-sgd explore", template
            self._sessions.add(Session(document, self._origin, self._usual, query))

        return begin


def _pattern(origin: str) -> str:
    """A host as Bokeh compares it, at any port unless one is given; an address of a page is cut down to its host."""
    host = origin.rpartition("//")[2].partition("/")[0]
    return host if ":" in host or host == "*" else f"{host}:*"
