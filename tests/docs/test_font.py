"""The font of the formulas has every character that they have: docs/fonts."""

import re

import pytest

from docs.fonts import subset

HEAVIEST = 50_000  # bytes


@pytest.fixture(scope="module")
def font():
    pytest.importorskip("brotli", reason="needs the extra docs: pip install -e '.[docs]'")
    from fontTools.ttLib import TTFont

    with TTFont(subset.FONT) as font:
        yield font


def test_every_character_of_every_formula_is_in_the_font(site, font):
    used = subset.used(site)
    assert len(used) > 100 and "√" in used
    missing = {one for one in used if ord(one) not in font.getBestCmap()}
    assert missing == set(), "write the font anew: docs/fonts/subset.py says how"


def test_what_browsers_draw_by_themselves_is_in_the_font(font):
    held = font.getBestCmap()
    unassigned = {0x1D455}  # the italic h, which is U+210E
    assert {one for one in subset.DRAWN if ord(one) not in held} == set(map(chr, unassigned))


def test_it_sets_formulas(font):
    """A font without this table is taken for text: roots do not grow, fractions have a wrong line."""
    table = font["MATH"].table
    growing = table.MathVariants.VertGlyphCoverage.glyphs
    assert {font.getBestCmap()[ord(one)] for one in "√([{∑∫"} <= set(growing)
    assert table.MathConstants.RadicalRuleThickness.Value > 0


def test_it_is_light_and_has_its_licence():
    assert subset.FONT.stat().st_size < HEAVIEST
    assert "SIL OPEN FONT LICENSE" in subset.FONT.with_name("OFL.txt").read_text()
    style = (subset.FONT.parents[1] / "equations.css").read_text()
    assert re.findall(r'url\("([^"]+)"\)', style) == [f"fonts/{subset.FONT.name}"]


def test_a_root_sign_and_a_character_are_found():
    page = "<p>x</p><math><msqrt><mi>N</mi></msqrt><mo>&lt;</mo><mi>ξ</mi><mo>\ufe00</mo></math>"
    assert [subset.characters(one) for one in subset.formulas(page)] == [{"N", "<", "ξ", "√"}]
