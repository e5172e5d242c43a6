"""MkDocs hook: the index of the search is fetched when somebody searches, and holds no signatures and formulas.

Material for MkDocs fetches it with every page, and it is heavier than all of a page. A script, which has to stand
before the theme's own, keeps the request back until the field of the search is used. Without it (or should the theme
ask in another way) the search works as before.
"""

import re
from pathlib import Path
from typing import Any

_SCRIPT = (Path(__file__).parents[1] / "search_on_demand.js").read_text(encoding="utf-8")
_UNSAID = re.compile(r'<(math|div class="doc-signature highlight")(?=[ >])')


def on_page_content(text: str, **_: Any) -> str:
    """Mark what the index leaves out: letters of formulas without their arrangement, signatures."""
    return _UNSAID.sub(r"<\1 data-search-exclude", text)


def on_post_page(output: str, **_: Any) -> str:
    """Put the script into a page."""
    return output.replace("</head>", f"<script>\n{_SCRIPT}</script>\n</head>", 1)
