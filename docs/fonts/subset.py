"""Write the font of the pages' formulas: what they need of STIX Two Math, with the table by which formulas are set.

    npm pack @fontsource/stix-two-math && tar xzf fontsource-stix-two-math-*.tgz
    make docs
    python docs/fonts/subset.py package/files/stix-two-math-latin-400-normal.woff2 site

The second argument is the folder of the built pages, whose formulas are looked through. A test says when a formula has
a character that the font lacks. The licence of the font is OFL.txt.
"""

import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fontTools import subset

FONT = Path(__file__).with_name("stix-two-math.woff2")

# What no page contains as text, and browsers draw: the root sign, accents and primes, and the italic letters that they
# put in place of plain ones. A browser that lacks the root sign sets sqrt(N) as N, without a word.
# Invisible signs, too, come from a font; from another one they would change the height of a line.
DRAWN = " \u00a0\u2061\u2062\u2063\u2064√′″‾¯^~ˆ˜˙→⏞⏟⎛⎜⎝⎞⎟⎠⎡⎢⎣⎤⎥⎦⎧⎨⎩⎪⎫⎬⎭" + "".join(
    map(chr, (*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6E2, 0x1D71C)))
)
# Beyond what the pages use today: what a formula added tomorrow may well contain.
LIKELY = "".join(map(chr, (*range(0x21, 0x7F), *range(0x3B1, 0x3CA), *range(0x1D400, 0x1D434)))) + (
    "ΓΔΘΛΞΠΣΦΨΩϵϕ±×÷·…⋯‖†⟨⟩⌊⌋∅∉∋∏∐∘∙∧∨∩∪∮∂∇≡≃≅∝≲≳⊂⊆⊕⊗⊙⊥⟂↦⇒⇔↑↓𝒟𝒪ℒ𝒫ℛ𝟏𝟙ℂℕℚℤℝℙ𝔼"
)


def formulas(page: str) -> Iterator[str]:
    """The formulas of a built page, as MathML."""
    yield from re.findall(r"<math\b.*?</math>", page, re.DOTALL)


def characters(formula: str) -> set[str]:
    """What a font has to have for a formula: its text, signs without ink too, and the sign of a root."""
    text = html.unescape(re.sub(r"<[^>]*>", "", formula))
    return set(text) - {"\n", "\ufe00"} | ({"√"} if "<msqrt" in formula else set())


def used(site: Path) -> set[str]:
    """The characters of all formulas of the built pages."""
    pages = (path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    return {one for page in pages for formula in formulas(page) for one in characters(formula)}


def main(source: str, site: str) -> None:
    """Write the font."""
    options = subset.Options()
    options.flavor = "woff2"
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]  # among them copyright and licence
    font = subset.load_font(source, options)
    chosen = subset.Subsetter(options)
    chosen.populate(text="".join(sorted(used(Path(site)) | set(DRAWN) | set(LIKELY))))
    chosen.subset(font)
    subset.save_font(font, str(FONT), options)
    print(f"{FONT.name}: {font['maxp'].numGlyphs} glyphs, {FONT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
