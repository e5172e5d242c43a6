"""The gallery and the pages of studies, without building any: docs/hooks/studies.py."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from docs.hooks import studies

HEAVIEST = 40_000  # bytes of a thumbnail


def test_the_gallery_has_every_folder_of_simulations():
    folders = {path.name for path in studies.FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    linked = re.findall(r"\*\*\[[^\]]+\]\(studies/(\w+)\.md\)\*\*", studies.gallery())
    assert sorted(linked) == sorted(folders)
    assert set(re.findall(r"\(studies/(\w+)_small\.png\)", studies.gallery())) == folders


def test_a_folder_that_is_not_listed_fails_the_build(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "README.md").write_text("# New\n\n![it](new.png)\n")
    (tmp_path / "README.md").write_text("| study | asks |\n|---|---|\n| [old](old/README.md) | why? |\n")
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"\['new', 'old'\]"):
        studies.studies()
    (tmp_path / "README.md").write_text("| [new](new/README.md) | why? |\n")
    assert [study.title for study in studies.studies()] == ["New"]
    (tmp_path / "new" / "README.md").write_text("# New\n")
    with pytest.raises(ValueError, match="shows no figure"):
        studies.studies()


@pytest.mark.parametrize("study", studies.studies(), ids=lambda study: study.name)
def test_thumbnails_are_light(study):
    stored = studies.thumbnail(study.figure)
    assert len(stored) < HEAVIEST
    with Image.open(io.BytesIO(stored)) as image:
        assert image.format == "PNG"
        assert image.size[0] == studies.THUMBNAIL[0] or image.size[1] == studies.THUMBNAIL[1]


@pytest.mark.parametrize(("stored", "limit"), [(studies.fewer_colours, 2), (studies.thumbnail, 10)])
def test_fewer_colours_keep_colours(stored, limit):
    """Lines are a small part of a figure: blue ones do not become grey, nor shades of grey blue."""
    study = studies.studies()[0]
    with Image.open(io.BytesIO(stored(study.figure))) as image, Image.open(study.figure) as figure:
        small = figure.convert("RGB").resize(image.size, Image.Resampling.LANCZOS)
        before, after = (np.asarray(one.convert("RGB")).astype(int) for one in (small, image))
    coloured, grey = np.ptp(before, axis=2) > 60, (np.ptp(before, axis=2) < 5) & (before.min(axis=2) < 250)
    assert coloured.sum() > 500 and grey.sum() > 500
    # Of 255, on the mean: 0.8 in figures, 7 in thumbnails; without k-means 3 and 12, and greys are off by 0.6 and 15.
    assert np.abs(before - after).max(axis=2)[coloured].mean() < limit
    assert np.ptp(after, axis=2)[grey].mean() < 0.3


def test_links_lead_to_pages():
    told = studies.on_page_markdown(
        "[a](../../simulations/plateau_lengths/README.md) ![b](../simulations/four_regimes/four_regimes.png) "
        "[c](../simulations/README.md) [d](../model.md)"
    )
    assert told == "[a](../studies/plateau_lengths.md) ![b](studies/four_regimes.png) [c](gallery.md) [d](../model.md)"
