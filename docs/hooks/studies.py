"""MkDocs hook: the studies of simulations/ become pages, and a gallery of them.

The README of a study is its page, studies/NAME.md; its figure is stored with 256 colours, and once more as a thumbnail.
Order and questions of the gallery are those of simulations/README.md. Pages may link to studies as GitHub wants it,
../simulations/NAME/README.md: here the link leads to the study's page, and one to simulations/README.md to the
gallery.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "simulations"
THUMBNAIL = (420, 315)  # pixels, at most
_ROW = re.compile(r"^\| \[(\w+)\]\(\1/README\.md\) \| (.+) \|$", re.MULTILINE)
_FIGURE = re.compile(r"!\[([^\]]*)\]\((\w+\.png)\)")
_LINK = re.compile(r"\]\(((?:\.\./)+)simulations/(?:README\.md|(\w+)/(?:README\.md|\w+\.png))")


class Study(NamedTuple):
    """A folder of simulations/: its name, what it asks, title and text of its README, its figure."""

    name: str
    question: str
    title: str
    text: str
    alt: str
    figure: Path


def studies() -> list[Study]:
    """All studies, in the order of simulations/README.md, which has to list every folder."""
    rows = _ROW.findall((FOLDER / "README.md").read_text(encoding="utf-8"))
    folders = {path.name for path in FOLDER.iterdir() if (path / "README.md").is_file()}
    if missing := folders.symmetric_difference(name for name, _ in rows):
        raise ValueError(f"simulations/README.md and the folders of simulations/ differ: {sorted(missing)}")
    return [_study(name, question) for name, question in rows]


def _study(name: str, question: str) -> Study:
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    figure = _FIGURE.search(text)
    if figure is None:
        raise ValueError(f"simulations/{name}/README.md shows no figure: ![...](NAME.png)")
    title = text.partition("\n")[0].removeprefix("# ")
    return Study(name, question, title, text, figure[1], FOLDER / name / figure[2])


def on_config(config: Any, **_: Any) -> None:
    """Put the pages of the studies below the gallery."""
    section = next(entry["Studies"] for entry in config.nav if "Studies" in entry)
    del section[1:]  # of an earlier build by the same server
    section += [{study.title: f"studies/{study.name}.md"} for study in studies()]


def on_files(files: Any, config: Any, **_: Any) -> None:
    """Add pages, figures, and the files that a study is run from."""
    from mkdocs.structure.files import File  # here, so that tests can ask for `studies` without MkDocs

    def add(path: str, content: str | bytes) -> None:
        files.append(File.generated(config, path, content=content))

    for study in studies():
        add(f"studies/{study.name}.md", page_of(study))
        add(f"studies/{study.name}.png", fewer_colours(study.figure))
        add(f"studies/{study.name}_small.png", thumbnail(study.figure))
        for path in sources(study):
            add(f"studies/{study.name}/{path.name}", path.read_bytes())
    add("gallery.md", gallery())


def on_page_markdown(text: str, **_: Any) -> str:
    """Lead links to a study to its page, and those to its figure to the smaller one."""

    def moved(found: re.Match[str]) -> str:
        up = found[1].removeprefix("../")
        if not found[2]:
            return f"]({up}gallery.md"
        return f"]({up}studies/{found[2]}.{'png' if found[0].endswith('png') else 'md'}"

    return _LINK.sub(moved, text)


def sources(study: Study) -> Iterator[Path]:
    """The files that a study is run from."""
    yield from sorted(path for path in study.figure.parent.iterdir() if path.suffix in (".py", ".toml", ".sh"))


def page_of(study: Study) -> str:
    """A study's README, with links that are right on the pages."""
    text = study.text.replace(f"]({study.figure.name})", f"]({study.name}.png)")
    text = text.replace("](../../docs/", "](../").replace("](../README.md)", "](../gallery.md)")
    text = re.sub(r"\]\(\.\./(\w+)/README\.md", r"](\1.md", text)
    files = ", ".join(f"[{path.name}]({study.name}/{path.name})" for path in sources(study))
    return f"{text}\n---\n\nFiles: {files}. All studies: [gallery](../gallery.md).\n"


def gallery() -> str:
    """The page of all studies."""
    head = "# Studies\n\nEach asks one question, and answers it in numbers. Most run in a minute or two.\n\n"
    return f'{head}<div class="gallery" markdown>\n\n{"".join(map(_card, studies()))}</div>\n'


def _card(study: Study) -> str:
    page = f"studies/{study.name}.md"
    question = study.question[0].upper() + study.question[1:]
    return (
        "<div markdown>\n\n"
        f"[![{study.alt}](studies/{study.name}_small.png)]({page})\n\n**[{study.title}]({page})**\n\n{question}\n\n"
        "</div>\n\n"
    )


def fewer_colours(path: Path) -> bytes:
    """A figure as PNG with at most 256 colours: a third of the bytes, and no difference to the eye."""
    with Image.open(path) as image:
        return _png(_on_white(image), 256)


def thumbnail(path: Path) -> bytes:
    """A small version of a figure, well below 40 kB."""
    with Image.open(path) as image:
        small = _on_white(image)
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    return _png(small, 96)


def _on_white(image: Image.Image) -> Image.Image:
    whole = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")


def _png(image: Image.Image, colours: int) -> bytes:
    # The colours that are farthest apart, not the most frequent: those are greys, and would make blue lines grey. They
    # are then moved to the middle of what they stand for (k-means), or shades of grey would be blue.
    stored = io.BytesIO()
    image.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
        stored, "PNG", optimize=True
    )
    return stored.getvalue()
