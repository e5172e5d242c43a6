"""MkDocs hook: reference/api.md becomes a page for each of its sections, so that none is too heavy to be read.

In the repository the API is one list of names. On the pages its first part stays, with the names of every section as
links; section "Runs of any model" moves to reference/api/runs_of_any_model.md.
"""

import re
from pathlib import Path
from typing import Any

PAGE = "reference/api.md"
_SECTION = re.compile(r"^## (.+)\n", re.MULTILINE)
_NAME = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
_NAMED = re.compile(r"\]\(((?:\.\./)*(?:reference/)?)api\.md#(ode_sgd[\w.]*)\)")
_GIVEN = "Examples begin with the names that the first page of the [API](../api.md) defines."


def sections(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first section, and the text of each."""
    head, *parts = _SECTION.split(text)
    return head, dict(zip(parts[::2], parts[1::2], strict=True))


def path_of(section: str) -> str:
    """Where the page of a section is, from reference/."""
    return f"api/{section.lower().replace(' ', '_')}.md"


def _of(config: Any) -> str:
    return (Path(config.docs_dir) / PAGE).read_text(encoding="utf-8")


def on_config(config: Any, **_: Any) -> None:
    """Put the pages of the sections below the first one."""
    reference = next(entry["Reference"] for entry in config.nav if "Reference" in entry)
    api = next(entry["API"] for entry in reference if "API" in entry)
    del api[1:]
    api += [{section: f"reference/{path_of(section)}"} for section in sections(_of(config))[1]]


def on_files(files: Any, config: Any, **_: Any) -> None:
    """Add the pages of the sections."""
    from mkdocs.structure.files import File

    for section, text in sections(_of(config))[1].items():
        moved = re.sub(r"\]\((?=[\w.][^):]*\.md)", "](../", text)  # one folder deeper
        page = f"# {section}\n\n{_GIVEN}\n{moved}"
        files.append(File.generated(config, f"reference/{path_of(section)}", content=page))


def on_page_markdown(text: str, page: Any, config: Any, **_: Any) -> str:
    """Leave names and links of the first page; lead links of others to where a name is now."""
    head, parts = sections(_of(config))
    if page.file.src_uri != PAGE:
        homes = {name: path_of(section) for section, part in parts.items() for name in _NAME.findall(part)}
        return _NAMED.sub(lambda found: f"]({found[1]}{homes.get(found[2], 'api.md')}#{found[2]})", text)
    return head + "".join(
        f"## {section}\n\n{', '.join(_link(name, section) for name in _NAME.findall(part))}\n\n"
        for section, part in parts.items()
    )


def _link(name: str, section: str) -> str:
    return f"[`{name.rpartition('.')[2]}`]({path_of(section)}#{name})"
