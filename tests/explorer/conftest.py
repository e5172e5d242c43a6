"""A server of the explorer, a Chromium, and pages in it; skipped with the reason where there is none."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from ode_sgd.explorer.written import study_text
from tests.browser import launched
from tests.explorer.explored import TABLES
from tests.explorer.pages import BEGUN, READY, SHOWN, change, foreign

PATIENCE = 40_000  # milliseconds until a page is given up: kernels may have to be compiled on a busy machine


@contextmanager
def served(*arguments, ended=True, **environment):
    """A process of `ode-sgd explore` and the address that it prints; it is ended by Ctrl-C."""
    command = [sys.executable, "-m", "ode_sgd", "explore", "--no-browser", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        yield process, process.stdout.readline().strip()
        if ended:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")  # while it is there, its event loop counts as running for all other tests
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of one server for all pages."""
    pytest.importorskip("bokeh", reason="needs the extra explore")
    path = tmp_path_factory.mktemp("explored") / "study.toml"
    path.write_text(study_text(TABLES))
    with served(path) as (_, address):
        yield address


@contextmanager
def opening(chromium, server):
    """A function that opens a page; none may have an error or a warning, or ask for anything from elsewhere."""
    faults, contexts = [], []

    def opened(query="", width=1280, height=800, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda told: faults.append(told.text) if told.type in ("error", "warning") else None)
        page.on("request", lambda request: faults.append(request.url) if foreign(request.url, server) else None)
        page.goto(server + query)
        page.wait_for_selector(READY)
        page.wait_for_function(f"() => {SHOWN} > 0")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def opened(chromium, server):
    with opening(chromium, server) as one:
        yield one


@pytest.fixture(scope="module")
def moved(chromium, server):
    """A page for all tests that move nothing but the learning rate."""
    with opening(chromium, server) as opened:
        yield opened()


@pytest.fixture
def page(moved):
    """That page, as it began."""
    change(moved, lambda: moved.evaluate(BEGUN, str(TABLES["problem"]["learning_rate"])))
    moved.wait_for_url(lambda address: "?" not in address)
    return moved


@pytest.fixture(scope="module")
def looked_at(chromium, server):
    """A page for all tests that move nothing."""
    with opening(chromium, server) as opened:
        yield opened()


@pytest.fixture
def opened_at(chromium):
    """A function that opens a page at an address, and does not wait for what it shows."""
    contexts = []

    def opened_at(address):
        contexts.append(chromium.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        return page

    yield opened_at
    for context in contexts:
        context.close()
