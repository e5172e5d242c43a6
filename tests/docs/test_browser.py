"""One page of each kind in a real browser that has no font for mathematics; tests.docs.pages looks at all."""

from urllib.parse import urljoin

import pytest

from tests.docs.pages import faults, opened

KINDS = (
    "index.html",
    "gallery/",
    "models/teacher_student/",
    "studies/phase_diagram/",
    "howto/sweeps/",
    "reference/api/problem/",
    "theory/scaling_laws/",
)
ROOT_SIGN = """() => [...document.querySelectorAll("msqrt")].map((root) => {
    const [outer, inner] = [root, root.firstElementChild].map((one) => one.getBoundingClientRect());
    return (inner.left - outer.left) / parseFloat(getComputedStyle(root).fontSize);
})"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_no_fault(chromium, address, kind):
    """Contrast, width, and nothing asked for elsewhere, in the light scheme and in the dark one."""
    assert faults(chromium, urljoin(address, kind)) == []


def fonts_of(page, selector):
    """The fonts that draw the elements of a page: (name, whether it came with the page), element by element."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    for node in session.send("DOM.querySelectorAll", {"nodeId": root, "selector": selector})["nodeIds"]:
        fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        yield {(font["familyName"], font["isCustomFont"]) for font in fonts}


def test_formulas_are_drawn_by_the_pages_font(chromium, address):
    with opened(chromium, urljoin(address, "theory/numerics/")) as (page, _):
        fonts = list(fonts_of(page, "math"))
        assert len(fonts) > 50 and set().union(*fonts) == {("STIX Two Math", True)}


def test_the_browser_has_no_font_for_mathematics(chromium):
    page = chromium.new_page()
    page.set_content("<math style='font-family: math'><mi>x</mi><msqrt><mi>λ</mi></msqrt></math>")
    names = {name for fonts in fonts_of(page, "math") for name, _ in fonts}
    assert names and not any("math" in name.lower() or "stix" in name.lower() for name in names)
    page.close()


def test_roots_have_their_sign(chromium, address):
    """It is as wide as half a letter; without a glyph there is nothing in front of what is under the root."""
    with opened(chromium, urljoin(address, "theory/model/")) as (page, _):
        widths = page.evaluate(ROOT_SIGN)
        assert len(widths) > 3 and min(widths) > 0.4


def test_the_scheme_is_the_readers_choice(chromium, address):
    with opened(chromium, address) as (page, wrong):
        scheme = "document.body.dataset.mdColorScheme"
        assert page.evaluate(scheme) == "default"  # as the system wishes
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"{scheme} == 'slate'")
        page.get_by_title("Switch to the light scheme").click()
        page.wait_for_function(f"{scheme} == 'default'")
        page.reload()
        page.wait_for_function(f"{scheme} == 'default'")
        page.get_by_title("Switch to the dark scheme").click()
        page.wait_for_function(f"{scheme} == 'slate'")
        assert wrong == []


def test_figures_stay_on_white(chromium, address):
    with opened(chromium, address, dark=True) as (page, _):
        ground = page.evaluate("getComputedStyle(document.querySelector('.md-content img')).backgroundColor")
        assert ground == "rgb(255, 255, 255)"


def test_the_search_finds_and_its_index_waits_until_then(chromium, address):
    with opened(chromium, urljoin(address, "howto/measure/")) as (page, wrong):
        asked = []
        page.on("request", lambda request: asked.append(request.url.removeprefix(address)))
        page.reload(wait_until="networkidle")
        assert asked and not any(one.endswith("search_index.json") for one in asked)
        page.get_by_role("textbox", name="Search").fill("plateau length")
        page.locator(".md-search-result__link").nth(3).wait_for()
        assert sum(one.endswith("search_index.json") for one in asked) == 1
        assert wrong == []
