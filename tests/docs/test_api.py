"""The API, one list in the repository, becomes a page for each section: docs/hooks/api.py."""

from types import SimpleNamespace

from docs.hooks import api

LIST = "# API\n\nAll names.\n\n## Problem\n\n::: a.Problem\n\n## Runs of any model\n\n[x](../x.md)\n\n::: a.Run\n"


def configured(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "api.md").write_text(LIST.replace("a.", "ode_sgd."))
    return SimpleNamespace(docs_dir=str(tmp_path), nav=[{"Reference": [{"API": [{"All names": "reference/api.md"}]}]}])


def page(path):
    return SimpleNamespace(file=SimpleNamespace(src_uri=path))


def test_a_section_is_a_page():
    head, parts = api.sections(LIST)
    assert head.startswith("# API") and list(parts) == ["Problem", "Runs of any model"]
    assert api.path_of("Runs of any model") == "api/runs_of_any_model.md"


def test_the_navigation_has_it_however_often_it_is_built(tmp_path):
    config = configured(tmp_path)
    for _ in range(2):
        api.on_config(config)
    assert [*config.nav[0]["Reference"][0]["API"][1].values()] == ["reference/api/problem.md"]
    assert len(config.nav[0]["Reference"][0]["API"]) == 3


def test_the_first_page_and_others_lead_to_names(tmp_path):
    config = configured(tmp_path)
    first = api.on_page_markdown((tmp_path / "reference/api.md").read_text(), page("reference/api.md"), config)
    assert "[`Run`](api/runs_of_any_model.md#ode_sgd.Run)" in first and ":::" not in first
    text = "[a](api.md#ode_sgd.Problem), [b](../reference/api.md#ode_sgd.Run), [c](api.md#runs_of_any_model)"
    assert api.on_page_markdown(text, page("reference/keys.md"), config) == (
        "[a](api/problem.md#ode_sgd.Problem), [b](../reference/api/runs_of_any_model.md#ode_sgd.Run), "
        "[c](api.md#runs_of_any_model)"
    )
