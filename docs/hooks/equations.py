"""MkDocs hook: a number such as (3.2) on a page of the theory leads to its equation, wherever that is.

Numbers in formulas, code and links stay as they are, and so does whatever is no equation's number.
"""

import re
from typing import Any

_TAG = re.compile(r"\\tag\{([^}]*)\}")
_MENTION = re.compile(r"\((\d{1,2}\.\d{1,2}[a-z]?)\)")
# Formulas, code, links and headings, whole; then any other tag.
_WHOLE = re.compile(r"(<(?:math|code|pre|a|h\d)\b.*?</(?:math|code|pre|a|h\d)>|<[^>]*>)", re.DOTALL)
_pages: dict[str, str] = {}  # number of an equation -> the page that it is on


def on_files(files: Any, config: Any, **_: Any) -> None:
    """Look for the equations of all pages."""
    _pages.clear()
    for file in files.documentation_pages():
        text = file.content_string
        _pages.update(dict.fromkeys(_TAG.findall(text), file.src_uri))


def on_page_content(html: str, page: Any, files: Any, **_: Any) -> str:
    """Turn the numbers on a page of the theory into links."""
    if not page.file.src_uri.startswith("theory/"):
        return html

    def link(found: re.Match[str]) -> str:
        home = files.get_file_from_path(_pages.get(found[1], ""))
        return f'(<a href="{home.url_relative_to(page.file)}#eq-{found[1]}">{found[1]}</a>)' if home else found[0]

    parts = _WHOLE.split(html)
    parts[::2] = [_MENTION.sub(link, text) for text in parts[::2]]
    return "".join(parts)
