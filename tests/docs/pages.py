"""What tests of the pages ask of a built page, and the whole of it for every page: python -m tests.docs.pages SITE

The tests look at one page of each kind in a browser; this takes minutes, and prints what is wrong with any.
"""

import functools
import http.server
import json
import re
import sys
import threading
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

HEAVIEST = 800_000  # bytes of a page with all that it loads
CONTRAST = 4.5  # of text, as the Web Content Accessibility Guidelines ask for (AA)
FAINT = Path(__file__).with_name("contrast.js").read_text()
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}


class _Loads(HTMLParser):
    """Addresses of what a page loads by itself: scripts, styles, icons and images; not where links lead."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        relation = given.get("rel", "")
        if tag in LOADED and given.get(LOADED[tag]) and relation not in ("next", "prev", "canonical", "edit"):
            self.found.append(given[LOADED[tag]])


def loaded(html):
    """What a page loads, as it is written there, with the script that searches."""
    parser = _Loads()
    parser.feed(html)
    config = re.search(r'<script id="__config"[^>]*>(.*?)</script>', html, re.DOTALL)
    return parser.found + ([json.loads(config[1])["search"]] if config else [])


def addresses(css):
    """What a style sheet loads, but for what is written in it."""
    found = re.findall(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", css)
    return [one or other for one, other in found if not (one or other).startswith("data:")]


def foreign(address):
    return bool(urlsplit(address).netloc)


def weight(page, site):
    """Bytes of a page, and of each file that it loads."""
    html = page.read_text(encoding="utf-8")
    paths = [urlsplit(one).path for one in loaded(html) if not foreign(one)]
    files = {(site / one[1:] if one.startswith("/") else page.parent / one).resolve() for one in paths}
    if "<math" in html:
        files |= set((site / "fonts").glob("*.woff2"))
    return page.stat().st_size + sum(path.stat().st_size for path in files)


@contextmanager
def served(site):
    """The address at which a folder is served."""
    kind = type("Silent", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def opened(browser, address, *, dark=False, width=1280):
    """A page that reaches nothing but its server, and what it asked for elsewhere, missed or complained of."""
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    wrong = []

    def ask(route):
        if urlsplit(route.request.url).netloc in ("", urlsplit(address).netloc):
            route.continue_()
        else:
            wrong.append(f"asks for {route.request.url}")
            route.abort()

    page = context.new_page()
    page.route("**/*", ask)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type in ("error", "warning") else None)
    page.on("response", lambda reply: wrong.append(f"misses {reply.url}") if reply.status >= 400 else None)
    page.goto(address, wait_until="load")
    page.evaluate("document.fonts.ready.then(() => true)")
    yield page, wrong
    context.close()


def faults(browser, address):
    """What is wrong with a page in a browser: in both schemes, wide and narrow."""
    found = []
    for dark, width in ((False, 1280), (True, 390)):
        with opened(browser, address, dark=dark, width=width) as (page, wrong):
            scheme = page.evaluate("document.body.dataset.mdColorScheme")
            if scheme != ("slate" if dark else "default"):
                found.append(f"the scheme is {scheme}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [f"scrolls sideways: {wide} of {width} pixels"] if wide > width else []
            found += [f"faint: {one}" for one in page.evaluate(FAINT, CONTRAST)]
            found += wrong
    return found


def main(folder):
    from tests.browser import launched

    site, count = Path(folder).resolve(), 0
    with served(site) as address, launched() as browser:
        for path in sorted(site.rglob("*.html")):
            name = path.relative_to(site).as_posix()
            for fault in faults(browser, urljoin(address, name)):
                count += 1
                print(f"{name}: {fault}")
            print(f"{name}: {weight(path, site) / 1000:.0f} kB", flush=True)
    return f"{count} faults"


if __name__ == "__main__":
    sys.exit((said := main(*sys.argv[1:])) != "0 faults" and said)
