"""The page in a real browser."""

import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest

from ode_sgd.explorer.begin import origin_of
from ode_sgd.explorer.legends import COLOURS
from ode_sgd.explorer.scheme import GROUND, INK, MIDDLE, QUIET, RAISED, STRONG
from ode_sgd.explorer.server import Explorer
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.runs import theory_of
from ode_sgd.studies.study_file import parse_study, read_study
from tests.explorer.conftest import PATIENCE
from tests.explorer.explored import TABLES, origin
from tests.explorer.pages import (
    DOCUMENT,
    PAINTED,
    READY,
    SHOWN,
    TEXTS,
    TIMED,
    address_has,
    change,
    contrast,
    control,
    exported,
    foreign,
    found,
    is_said_soon,
    options,
    slider_says,
    source,
    values,
)
from tests.explorer.proxy import proxied

ROLES = ("slider", "combobox", "checkbox", "button", "textbox")
NAME = """e => (e.getAttribute('aria-label') || [...(e.labels ?? [])].map(l => l.textContent).join(' ')
              || e.textContent || e.title || '').trim()"""


# Deals the curves out again, as the end of loading does: on a busy machine it comes after what theory says of them.
DEALT_OUT_AGAIN = """async () => {
  const state = Bokeh.documents[0].get_model_by_name('state')
  for (const callback of state.js_property_callbacks['change:data']) await callback.execute(state)
}"""
# Sources of lines of which some are painted in a colour.
DRAWN_BLACK = """colour => {
  const [, red, green, blue] = colour.match(/#(..)(..)(..)/).map(two => parseInt(two, 16))
  const wanted = (red * 2 ** 24 + green * 2 ** 16 + blue * 2 ** 8 + 255) >>> 0, found = []
  for (const panel of ['error', 'observables'])
    for (const view of Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(panel)).computed_renderer_views) {
      const painted = view.glyph?.line_color
      if (painted && [...painted].includes(wanted)) found.push(view.model.data_source.name)
    }
  return found
}"""


def learning_rate(page, *presses):
    slider = page.get_by_role("slider", name="learning rate")
    change(page, lambda: [slider.press(key) for key in presses])


def curve_of(study):
    """The curve of a study as `ode-sgd run` computes it."""
    run = theory_of(study, lambda stage, fraction: None)
    return run.error[(run.alpha > 0.0) & (run.error > run.resolution)]


def test_a_key_moves_curve_and_address(page):
    before = values(page, "curve")
    learning_rate(page, "ArrowLeft")
    address_has(page, "problem.learning_rate=0.4")
    assert values(page, "curve") != before
    slider_says(page, "learning rate", "0.4")


def test_the_exported_study_is_the_page_to_the_last_bit(page, tmp_path):
    learning_rate(page, "ArrowLeft", "ArrowLeft")
    study = read_study(exported(page, "Study file", tmp_path / "study.toml"))
    assert study.problem.learning_rate != 0.5
    assert np.array_equal(values(page, "curve"), curve_of(study))


def test_a_move_takes_little_beside_integration_and_redraw(page):
    """At most three times both by themselves: medians of wall clock, of the same minute and machine."""
    moves, redraws = page.evaluate(TIMED, 9)
    study, runs = parse_study(TABLES), []
    for _ in range(9):
        began = time.perf_counter()
        theory_of(study, lambda stage, fraction: None)
        runs.append(1e3 * (time.perf_counter() - began))
    assert np.median(moves) < 3.0 * (np.median(runs) + np.median(redraws))


def test_an_address_gives_the_parameters_back(opened):
    page = opened("?problem.learning_rate=0.31&spectrum.kind=isotropic")
    tables = TABLES | {"spectrum": {"kind": "isotropic"}, "problem": TABLES["problem"] | {"learning_rate": 0.31}}
    assert np.array_equal(values(page, "curve"), curve_of(parse_study(tables)))
    assert not page.get_by_role("slider", name="decay of the spectrum").is_visible()


def test_two_browsers_keep_their_own(page, looked_at):
    before = values(looked_at, "curve")
    learning_rate(page, "ArrowRight", "ArrowRight")
    assert values(looked_at, "curve") == before
    address_has(page, "learning_rate")
    assert "?" not in looked_at.url


def test_everything_has_a_name_and_is_reached_by_keys(looked_at):
    options(looked_at)
    found = [one for role in ROLES for one in looked_at.get_by_role(role).all() if one.is_visible()]
    assert len(found) > 40
    for one in found:
        assert one.evaluate(NAME), one.evaluate("e => e.outerHTML")[:300]
        assert one.evaluate("e => e.tabIndex >= 0 || e.closest('.bk-input-group, .bk-spin-wrapper') != null")


def test_every_kind_of_control_works_by_keys(opened):
    page = opened()
    change(page, lambda: control(page, "combobox", "spectrum").select_option(label="isotropic"))
    address_has(page, "spectrum.kind=isotropic")
    noise = control(page, "slider", "label noise")
    change(page, lambda: [noise.focus(), page.keyboard.press("ArrowRight")])
    seed = control(page, "textbox", "seed of the start")
    change(page, lambda: [seed.focus(), page.keyboard.press("ArrowUp")])
    address_has(page, "start.seed=7")
    flow = control(page, "checkbox", "gradient flow")
    change(page, lambda: [flow.focus(), page.keyboard.press("Space")])
    address_has(page, "problem.gradient_flow=true")
    page.get_by_role("alert").get_by_text("gradient_flow").wait_for()  # with a simulation there is none


def test_a_value_that_is_typed_is_exact(page):
    options(page)
    field = page.get_by_role("textbox", name="problem.learning_rate")
    change(page, lambda: [field.fill("0.123456789"), field.press("Enter")])
    problem = TABLES["problem"] | {"learning_rate": 0.123456789}
    assert np.array_equal(values(page, "curve"), curve_of(parse_study(TABLES | {"problem": problem})))
    slider_says(page, "learning rate", "0.123")


def test_what_is_invalid_is_told_and_goes_away(page):
    options(page)
    field = page.get_by_role("textbox", name="problem.learning_rate")
    change(page, lambda: [field.fill("-1"), field.press("Enter")])
    page.get_by_role("alert").get_by_text("learning_rate = -1").wait_for()
    change(page, lambda: [field.fill("0.25"), field.press("Enter")])
    page.get_by_role("alert").wait_for(state="detached")
    field.fill("[1, 2")
    field.press("Enter")
    page.get_by_role("alert").get_by_text("give a value as a study file has it").wait_for()


def test_what_is_wrong_is_said_at_once(opened):
    """The fastest of some: on a busy machine a single one may have waited for others."""
    page, key = opened("?problem.activation=linear&problem.learning_rate=20.0"), "exact:problem.learning_rate"
    page.get_by_role("alert").get_by_text("diverged at alpha").wait_for()
    refused, diverged = [], []
    for number in range(1, 6):
        refused.append(is_said_soon(page, key, f"-{number}", f"learning_rate = -{number}"))
        diverged.append(is_said_soon(page, key, f"{20 + number}.0", "diverged at alpha"))
    assert any(refused) and any(diverged)


@contextmanager
def beginning(chromium, address):
    """A page at an address, once it has shown its first curve."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector(READY)
    page.wait_for_function(f"() => {SHOWN} > 0")
    try:
        yield page
    finally:
        context.close()


@contextmanager
def exploring(begin, **more):
    """A server in this process, which costs less than one in another."""
    explorer = Explorer(begin, **more)
    try:
        yield explorer.address
    finally:
        explorer.stop()


@pytest.mark.parametrize("stripped", [True, False])
def test_it_works_behind_a_proxy(chromium, stripped):
    """Whether that takes its prefix off or leaves it: the page, its scripts and its connection."""
    prefix, asked = "/user/me/proxy/5006", "performance.getEntriesByType('resource').map(one => one.name)"
    with exploring(origin(), prefix="" if stripped else prefix) as address:
        where = urlsplit(address)
        with proxied(where.port, prefix if stripped else "") as proxy, beginning(chromium, proxy + where.path) as page:
            learning_rate(page, "ArrowLeft")
            resources = page.evaluate(asked)
    assert any("bokeh.min.js" in one for one in resources)
    assert [one for one in resources if foreign(one, proxy)] == []


def test_theory_stands_beside_the_curves(looked_at):
    found(looked_at)
    report = looked_at.get_by_text("theoretical height")
    report.wait_for()
    seen = f"{DOCUMENT}.get_model_by_name('error').center.filter(o => o.type == 'Span')[0].visible"
    assert looked_at.evaluate(seen)
    looked_at.evaluate(DEALT_OUT_AGAIN)
    assert looked_at.evaluate(seen)


def test_a_simulation_ends_in_the_verdict_of_a_run(page, tmp_path):
    result = run_study(parse_study(TABLES), tmp_path / "out.h5", draw=False)
    page.get_by_role("button", name="Simulate SGD").click()
    page.get_by_role("status").get_by_text(result.agreement.verdict.splitlines()[0]).wait_for()
    assert np.array_equal(values(page, "points"), result.sgd.mean().error[1:])
    page.get_by_role("button", name="Simulate SGD").wait_for()


def test_a_simulation_is_streamed_and_stopped(opened):
    page = opened(
        "?simulation.method=explicit&simulation.dimension=4000&simulation.replicas=16&integration.alpha=20000"
    )
    page.get_by_role("button", name="Simulate SGD").click()
    page.wait_for_function(f"() => {source('points')}.y.length > 1")
    page.get_by_role("button", name="Stop").dispatch_event("click")  # while points come, two frames may be far apart
    page.get_by_role("status").get_by_text("stopped").wait_for()
    page.get_by_role("button", name="Simulate SGD").wait_for()


def test_a_model_of_scaling_laws_is_moved_and_judged(chromium):
    begin = origin_of(model="resource_model", overrides=["simulation.replicas=4"])
    with exploring(begin) as address, beginning(chromium, address) as page:
        neurons = control(page, "textbox", "neurons")
        change(page, lambda: [neurons.focus(), page.keyboard.press("ArrowDown")])
        page.get_by_text("of 29 neurons, by subtask").wait_for()
        page.get_by_role("button", name="Simulate").click()
        page.get_by_role("status").get_by_text("theory and simulation agree").wait_for()


def test_curves_that_are_kept_say_what_tells_them_apart(page):
    page.get_by_role("button", name="Keep this curve").click()
    page.wait_for_function(f"() => {source('kept')}.label.length == 1")
    learning_rate(page, "ArrowLeft")
    page.wait_for_function(f"() => {source('kept')}.label[0] == 'learning_rate 0.5'")
    page.get_by_role("button", name="Forget kept curves").click()
    page.wait_for_function(f"() => {source('kept')}.label.length == 0")


def test_pictures_are_pictures(looked_at, tmp_path):
    assert exported(looked_at, "PNG", tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert exported(looked_at, "PDF", tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert "ode_sgd.integrate" in exported(looked_at, "Python", tmp_path / "a.py").read_text()


def test_an_exported_page_needs_no_server(looked_at, chromium, tmp_path):
    found(looked_at)
    path = exported(looked_at, "HTML", tmp_path / "a.html")
    context = chromium.new_context(offline=True)
    alone, faults = context.new_page(), []
    alone.on("pageerror", lambda error: faults.append(str(error)))
    alone.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    alone.goto(path.as_uri())
    alone.get_by_text("learning_rate = 0.5").wait_for()
    alone.wait_for_function(f"() => {source('curve')}.y.length > 100")
    assert values(alone, "curve") == values(looked_at, "curve")
    alone.get_by_role("listitem").filter(has_text="R₁₁").wait_for()
    context.close()
    assert faults == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_beside_the_page(looked_at, width):
    looked_at.set_viewport_size({"width": width, "height": 844})
    options(looked_at)
    looked_at.evaluate(PAINTED)
    looked_at.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
    for name in ("error", "observables", "exponent"):
        wide = f"Bokeh.index.find_one({DOCUMENT}.get_model_by_name('{name}')).el.clientWidth"
        looked_at.wait_for_function(f"{wide} > 0.7 * 290")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_is_seen_in_both_schemes(looked_at, scheme):
    """WCAG's contrast of 4.5 for text; the grounds are those of the scheme, which may change meanwhile."""
    looked_at.emulate_media(color_scheme=scheme)
    options(looked_at)
    found(looked_at)
    looked_at.evaluate(PAINTED)
    texts = looked_at.evaluate(TEXTS)
    assert len(texts) > 60
    low = [(text, ink, ground) for ink, ground, text in texts if contrast(ink, ground) < 4.5]
    assert low == []
    grounds = {ground for _, ground, _ in texts}
    assert ("rgb(255, 255, 255)" in grounds) == (scheme == "light")
    black = "components" if scheme == "light" else ""
    looked_at.wait_for_function(f"({DRAWN_BLACK})('#000000').join() == '{black}'")
    arrow = control(looked_at, "combobox", "spectrum").evaluate("e => getComputedStyle(e).backgroundImage")
    assert (QUIET[1:] in arrow) == (scheme == "dark")


def test_curves_are_seen_in_both_schemes():
    """Of lines WCAG asks 3; on white the figures decide, whose colours these are."""
    assert contrast(MIDDLE, "#ffffff") >= 3.0 and contrast(MIDDLE, GROUND) >= 3.0
    assert all(contrast(colour, GROUND) >= 3.0 for colour in COLOURS if colour != "#000000")
    assert all(contrast(colour, GROUND) >= 4.5 for colour in (INK, QUIET, STRONG))
    assert contrast(INK, RAISED) >= 4.5


def test_colours_are_those_of_the_figures():
    from ode_sgd.analysis.plots.curves import COLOURS as OF_FIGURES

    assert COLOURS == OF_FIGURES
