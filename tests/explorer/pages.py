"""What tests ask of a page of the explorer."""

import re
import time
import urllib.request
from urllib.parse import urlsplit

READY = "html[data-ready=yes]"  # all controls have their names
DOCUMENT = "window.Bokeh?.documents[0]"


def source(name):
    return f"{DOCUMENT}?.get_model_by_name('{name}')?.data"


SHOWN = f"{source('state')}.revision[0]"


def foreign(url, server):
    """Whether a request leaves the server."""
    return urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != urlsplit(server).netloc


def change(page, act):
    """Do something, and wait for what comes of it."""
    before = page.evaluate(SHOWN)
    act()
    page.wait_for_function(f"() => {SHOWN} > {before}")


# Another learning rate and then the one given: that something is shown can be waited for, whatever was there before.
BEGUN = """value => {
  const field = Bokeh.documents[0].get_model_by_name('exact:problem.learning_rate')
  field.value = '0.75'
  field.value = value
}"""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def options(page):
    """Open all options."""
    page.evaluate("document.querySelector('details').open = true")


def found(page):
    """Wait for what is computed once the hand rests."""
    page.wait_for_function(f"() => {source('marks')}.revision[0] == {SHOWN}")


def values(page, name, column="y"):
    """The numbers of a curve, all their digits."""
    return page.evaluate(f"Array.from({source(name)}.{column})")


def address_has(page, text):
    """Wait for the address, which is written once the hand rests."""
    page.wait_for_url(lambda address: text in address)


def control(page, role, name, **more):
    return page.get_by_role(role, name=name, exact=False, **more).first


def slider_says(page, name, value):
    """Wait for what a screen reader is told of a slider; it is written with the next frame."""
    control(page, "slider", name).and_(page.locator(f"[aria-valuetext^='{value}']")).wait_for()


def exported(page, name, path):
    """The file that a button hands out, written to a path.

    A click is lost where the button is drawn anew while it is pressed, after a slider has moved: then it takes another.
    """
    from playwright.sync_api import TimeoutError as Late  # where there is a browser

    for last in (False, False, True):
        try:
            with page.expect_download(timeout=40_000 if last else 10_000) as waiting:
                page.get_by_role("button", name=name, exact=True).click()
            break
        except Late:
            if last:
                raise
    waiting.value.save_as(path)
    return path


TIMED = """async count => {
  const model = name => Bokeh.documents[0].get_model_by_name(name), slider = model('problem.learning_rate')
  const painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  const shown = () => new Promise(done => {
    const signal = model('state').properties.data.change
    const heard = () => { signal.disconnect(heard); done() }
    signal.connect(heard)
  })
  const moves = [], redraws = []
  for (let n = 0; n < count; n++) {
    while (model('marks').data.revision[0] != model('state').data.revision[0]) await painted()
    let began = performance.now()
    for (const name of ['curve', 'slope', 'components'])  // equal data are not drawn again unless one insists
      model(name).setv({data: {...model(name).data}}, {sync: false, check_eq: false})
    await painted()
    redraws.push(performance.now() - began)
    const came = shown()
    began = performance.now()
    slider.value = Math.log10(0.51 + 0.01 * n)
    await came; await painted()
    moves.push(performance.now() - began)
  }
  return [moves, redraws]
}"""


# Of every text that is seen: its colour, that of the ground behind it, and the text itself; through shadow roots.
TEXTS = """() => {
  const found = []
  const ground = element => {
    for (let one = element; one; one = one.parentElement ?? one.getRootNode().host) {
      const colour = getComputedStyle(one).backgroundColor
      if (!/rgba\\(.*, 0\\)$|transparent/.test(colour)) return colour
    }
    return 'rgb(255, 255, 255)'
  }
  const walk = root => {
    for (const one of root.querySelectorAll('*')) {
      if (one.shadowRoot) walk(one.shadowRoot)
      const text = [...one.childNodes].filter(node => node.nodeType == 3).map(node => node.data).join('').trim()
      const told = text || (one.tagName == 'INPUT' ? one.value : '')
      if (!told || ['STYLE', 'SCRIPT', 'TITLE', 'OPTION'].includes(one.tagName) || !one.checkVisibility()) continue
      if (one.getClientRects().length) found.push([getComputedStyle(one).color, ground(one), told])
    }
  }
  walk(document)
  return found
}"""


def contrast(one, other):
    """Of two colours as CSS computes them, or #rrggbb: that of WCAG 2, from 1 to 21."""

    def luminance(colour):
        numbers = (
            re.findall(r"[0-9a-f]{2}", colour[1:].lower()) if colour[0] == "#" else re.findall(r"[\d.]+", colour)[:3]
        )
        shares = [(int(one, 16) if colour[0] == "#" else float(one)) / 255 for one in numbers]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


# Milliseconds from a change of a widget, as a key makes it, until the line above the curves says something.
SAID = """async ([name, value, part]) => {
  const model = name => Bokeh.documents[0].get_model_by_name(name), began = performance.now()
  model(name).value = value
  while (!new RegExp(part).test(model('status').text)) await new Promise(requestAnimationFrame)
  return performance.now() - began
}"""
HALF, ANSWERS = 0.5, 10  # seconds; and answers of the server of that minute, which on a quiet machine are some 5 ms


def is_said_soon(page, name, value, part):
    """Whether it is said within half a second, on a busy machine within that and some answers of the server."""
    took = 1e-3 * page.evaluate(SAID, [name, value, part])
    began = time.perf_counter()
    static = f"{page.url.partition('?')[0].rpartition('/')[0]}/static/js/bokeh-widgets.min.js"
    with urllib.request.urlopen(static, timeout=20) as answer:
        answer.read()
    return took < HALF + ANSWERS * (time.perf_counter() - began)
