"""The tutorial is run when the pages are built: docs/hooks/tutorial.py. Here with short texts in its place."""

from types import SimpleNamespace

import pytest

from docs.hooks import tutorial

GOOD = "# T\n\n```python\nx = 2.0\n```\n\n```python\nprint('x is', x)\n```\n\n```text\nx is 2.01\n```\n"


def built(tmp_path, text):
    (tmp_path / tutorial.TUTORIAL).write_text(text)
    tutorial.on_pre_build(SimpleNamespace(docs_dir=str(tmp_path)))


@pytest.fixture(autouse=True)
def run_afresh(monkeypatch):
    monkeypatch.setattr(tutorial, "_run", [])
    monkeypatch.delenv(tutorial.NOT_RUN, raising=False)


def test_blocks_share_their_names_and_last_digits_may_differ(tmp_path, capsys):
    built(tmp_path, GOOD)
    built(tmp_path, GOOD)
    assert capsys.readouterr().out.count("ran in") == 1


def test_a_block_that_fails_fails_the_build(tmp_path, monkeypatch):
    wrong = GOOD.replace("x = 2.0", "x = unknown")
    with pytest.raises(NameError, match="unknown"):
        built(tmp_path, wrong)
    monkeypatch.setenv(tutorial.NOT_RUN, "1")
    built(tmp_path, wrong)


@pytest.mark.parametrize("shown", ["x is 2.5", "y is 2.0", "x is 2.0 2.0"])
def test_a_block_that_prints_something_else_fails_the_build(tmp_path, shown):
    with pytest.raises(ValueError, match="line 7: the page shows"):
        built(tmp_path, GOOD.replace("x is 2.01", shown))


def test_the_tutorial_has_blocks():
    text = (tutorial.Path(tutorial.__file__).parents[1] / tutorial.TUTORIAL).read_text()
    assert len(tutorial._BLOCK.findall(text)) >= 4
