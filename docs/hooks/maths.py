"""MkDocs hook: formulas become MathML when the pages are built, so that they need neither scripts nor a network.

Pages write $...$ and $$...$$ (which GitHub renders too); pymdownx.arithmatex finds them, math-core converts them and
refuses what is not LaTeX. An equation is numbered by its own \\tag{...}, and can be linked to as #eq-...
"""

import html
import re
from typing import Any

from math_core import LatexToMathML

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_TAG = re.compile(r"\\tag\{([^}]*)\}")
_converter = LatexToMathML()


def on_page_content(text: str, **_: Any) -> str:
    """Replace the formulas of a page."""
    return _FORMULA.sub(lambda found: _converted(html.unescape(found[2]), display=found[1] == "div"), text)


def _converted(latex: str, *, display: bool) -> str:
    tag = _TAG.search(latex)
    formula = _converter.convert_with_local_state(_TAG.sub("", latex).strip(), displaystyle=display)
    if not display:
        return formula
    number = f'<a class="number" href="#eq-{tag[1]}">({tag[1]})</a>' if tag else ""
    name = f' id="eq-{tag[1]}"' if tag else ""
    return f'<div class="equation"{name}>{formula}{number}</div>'
