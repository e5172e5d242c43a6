"""The built pages, without a browser."""

import html
import json
import re

import pytest

from docs.hooks.studies import studies
from tests.docs.pages import HEAVIEST, addresses, foreign, loaded, weight
from tests.test_examples import API, example, public

MODELS = ("teacher_student", "feature_learning", "random_features", "resource_model")


def pages(site):
    return sorted(site.rglob("*.html"))


def text_of(page):
    """What a page says, without tags and without differences of space."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8"))).split())


def test_no_page_loads_anything_from_elsewhere(site):
    found = {address for page in pages(site) for address in loaded(page.read_text(encoding="utf-8"))}
    found |= {address for sheet in site.rglob("*.css") for address in addresses(sheet.read_text(encoding="utf-8"))}
    assert len(found) > 10
    assert {address for address in found if foreign(address)} == set()


def test_what_is_loaded_from_elsewhere_is_found():
    page = '<link rel="stylesheet" href="https://a.org/b.css"><script src="//c.org/d.js"></script><img src="e.png">'
    assert [foreign(one) for one in loaded(page)] == [True, True, False]
    assert addresses("a{src:url('https://f.org/g')}b{src:url(data:x)}@import 'h'") == ["https://f.org/g", "h"]


def test_pages_are_light(site):
    weights = {page.relative_to(site).as_posix(): weight(page, site) for page in pages(site)}
    assert len(weights) > 60 and min(weights.values()) > 250_000  # scripts and styles alone
    assert {page: size for page, size in weights.items() if size > HEAVIEST} == {}


def test_the_gallery_shows_all_studies(site):
    page = (site / "gallery" / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img alt="[^"]+" src="\.\./studies/(\w+)_small\.png"', page)
    assert shown == [study.name for study in studies()]
    for study in studies():
        own = (site / "studies" / study.name / "index.html").read_text(encoding="utf-8")
        assert "Question." in own and f'src="../{study.name}.png"' in own
        assert (
            list((site / "studies" / study.name).glob("*.*ml")) or (site / "studies" / study.name / "study.py").exists()
        )


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_a_page(site, model):
    page = (site / "models" / model / "index.html").read_text(encoding="utf-8")
    assert '<div class="equation"' in page and "studies/" in page
    headings = re.findall(r'<h2 id="([\w-]+)"', page)
    assert headings == ["in-python", "as-a-study-file", "what-is-exact", "where-to-go-on"]
    assert "reference/keys" in page and "theory/" in page
    assert "import ode_sgd" in text_of(site / "models" / model / "index.html")


def test_every_public_name_shows_its_example(site):
    said = {page: text_of(page) for page in (site / "reference" / "api").rglob("*.html")}
    homes = {name: page for page in said for name in re.findall(r'id="(ode_sgd[\w.]*)"', page.read_text())}
    listed = {name.rpartition(".")[2]: name for name in re.findall(r"^::: ([\w.]+)$", API.read_text(), re.MULTILINE)}
    for given in public():
        value = given.values[0]
        shown = " ".join(example(value).split(">>> ")[1].splitlines()[0].split())
        assert f">>> {shown}" in said[homes[listed[value.__name__]]], value.__name__


def test_formulas_and_signatures_are_not_searched(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"]: entry["text"] for entry in index["docs"]}
    assert "plateau" in found["theory/plateau/#8-plateau-and-escape"]
    assert "∑" not in found["theory/model/#3-ode"] and "Stein" in found["theory/model/#3-ode"]
    integrate = found["reference/api/runs/#ode_sgd.integrate"]
    assert "rtol: float" not in integrate and "Relative tolerance" in integrate
