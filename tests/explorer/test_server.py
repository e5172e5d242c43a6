"""Who may see the page, and how the server ends."""

import signal
import socket
import stat
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("bokeh", reason="needs the extra explore")

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.explorer.server import HUB, Explorer, _pattern
from tests.explorer.conftest import served
from tests.explorer.explored import origin
from tests.explorer.pages import SAID

GONE = 1.0  # seconds after Ctrl-C


@pytest.fixture(scope="module")
def explorer():
    made = Explorer(origin(simulation=None))
    yield made
    made.stop()


def status(address):
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_needs_its_token(explorer):
    code, text = status(explorer.address)
    assert code == 200 and "ode-sgd explore" in text
    base = f"http://127.0.0.1:{urlsplit(explorer.address).port}"
    for path in ("", "/", "/nonsense", "/ws", explorer.path[:-1]):
        code, text = status(base + path)
        assert code == 404 and explorer.path.strip("/") not in text


def test_nothing_on_the_page_is_from_elsewhere(explorer):
    assert "http" not in status(explorer.address)[1].replace("http-equiv", "")


def test_only_this_machine_is_listened_to(explorer):
    port = urlsplit(explorer.address).port
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in {"127.0.0.2", *own} - {"127.0.0.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=5).close()


def upgrade(explorer, host):
    """The status with which a page of a host is answered that wants to connect."""
    where = urlsplit(explorer.address)
    lines = [f"GET {where.path}/ws HTTP/1.1", f"Host: {where.netloc}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Origin: http://{host}"]
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.recv(64).split()[1])


def test_small_frames_do_not_wait_for_each_other():
    """Of a browser's connection: it inherits this from the socket that listens."""
    made = object.__new__(Explorer)
    made._port = 0
    listening, port = made._bound()
    listening.setblocking(True)
    with listening, socket.create_connection(("127.0.0.1", port), timeout=20), listening.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_pages_of_other_hosts_may_not_connect(explorer):
    assert upgrade(explorer, "evil.example.org") == 403
    assert upgrade(explorer, "localhost.evil.example.org:8000") == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:1234", "hub.example.org"])
def test_tunnels_and_proxies_may(host):
    """They are let in, and have no session then."""
    explorer = Explorer(origin(simulation=None), origins=["https://hub.example.org/hub"])
    try:
        assert upgrade(explorer, host) == 101
    finally:
        explorer.stop()


@pytest.mark.parametrize(
    ("given", "pattern"),
    [("hub.example.org", "hub.example.org:*"), ("https://hub:8000/x", "hub:8000"), ("*", "*"), ("hub:80", "hub:80")],
)
def test_hosts_are_compared_at_any_port(given, pattern):
    assert _pattern(given) == pattern


def test_a_proxy_may_leave_its_prefix(monkeypatch):
    monkeypatch.setenv(HUB, "/user/me/")
    explorer = Explorer(origin(simulation=None), prefix="/user/me/proxy/absolute/5006/")
    try:
        assert explorer.path.startswith("/user/me/proxy/absolute/5006/")
        assert explorer.proxied == explorer.path
        assert status(explorer.address)[0] == 200
        assert status(f"{explorer.address.rpartition('/')[0]}/static/js/bokeh.min.js")[0] == 200
    finally:
        explorer.stop()


def test_a_proxy_may_strip_its_prefix(explorer, monkeypatch):
    """The page asks for its scripts relative to itself."""
    assert explorer.proxied == ""
    monkeypatch.setenv(HUB, "/user/me/")
    assert explorer.proxied == f"/user/me/proxy/{urlsplit(explorer.address).port}{explorer.path}"
    text = status(explorer.address)[1]
    assert 'src="static/js/bokeh.min.js"' in text and 'src="/' not in text


def test_a_port_that_is_taken_is_named(explorer):
    port = urlsplit(explorer.address).port
    with pytest.raises(ode_sgd.ExplorerError, match=f"port {port} cannot be served"):
        Explorer(origin(simulation=None), port=port)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh.application", None)
    with pytest.raises(ode_sgd.ExplorerError, match=r"pip install 'ode-sgd\[explore\]'"):
        Explorer(origin(simulation=None))


def test_a_browser_is_told_the_address_by_a_file_of_this_user(explorer, monkeypatch):
    seen = []
    monkeypatch.setattr(webbrowser, "open", lambda address: seen.append(address) or True)
    assert explorer.open()
    assert explorer.path not in seen[0]
    path = Path(unquote(urlsplit(seen[0]).path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert explorer.address in path.read_text()
    path.unlink()


def test_it_ends_when_it_is_told_to():
    explorer = Explorer(origin(simulation=None))
    assert "ended" not in repr(explorer)
    explorer.stop()
    assert "ended" in repr(explorer)
    with pytest.raises(OSError):
        status(explorer.address)


def ends_at_once(process):
    """Ctrl-C: gone within a second, with status 0 and one line."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert time.monotonic() - began < GONE
    assert process.stderr.read() == "ode-sgd: the explorer has ended\n"


def test_ctrl_c_ends_it():
    with served(ended=False) as (process, address):
        assert status(address)[0] == 200
        ends_at_once(process)


def test_ctrl_c_ends_it_while_it_compiles(opened_at, tmp_path):
    """With no kernels at hand, whose compilation is told; the server answers meanwhile."""
    with served(ended=False, ODE_SGD_CACHE_DIR=str(tmp_path / "empty")) as (process, address):
        page = opened_at(address)
        page.get_by_text("compiling kernels for erf, K = M = 2").wait_for()
        assert status(f"{address.rpartition('/')[0]}/static/js/bokeh.min.js")[0] == 200
        assert (
            page.evaluate(SAID, ["problem.student_units", 3, "computing|K = 3"]) > 0.0
        )  # benchmarks/explorer.py times it
        ends_at_once(process)


def test_a_taken_port_is_one_line_of_the_command(explorer):
    with served("--port", urlsplit(explorer.address).port, ended=False) as (process, address):
        assert process.wait(30) == 2
        assert address == ""
        assert "cannot be served" in process.stderr.read()


def test_bad_input_is_told_before_there_is_a_server(tmp_path, capsys):
    """The first in a process of its own, as a user sees it; the others in this one, which is cheaper."""
    path = tmp_path / "study.toml"
    path.write_text("[problem]\nlearning_rate = -1\n")
    with served(path, ended=False) as (process, address):
        assert process.wait(60) == 2
        assert address == "" and "Traceback" not in process.stderr.read()
    for given in ([str(tmp_path / "none.toml")], ["--model", "nonsense"], ["--port", "70000"]):
        assert main(["explore", "--no-browser", *given]) == 2
        told = capsys.readouterr()
        assert told.out == "" and given[-1] in told.err
