"""The generated parts of the documents: filled from results, and nothing else touched."""

import pytest

from dfa_tune.analysis.figure_modules import load_module
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results.store import Store

TEXT = (
    "Before.\n<!-- begin: summary {space} -->\nold\n<!-- end -->\n"
    "After.\n<!-- begin: verdicts -->\n<!-- end -->\n"
)


@pytest.fixture
def fill():
    return load_module("results_tables").fill


def test_a_block_is_filled_from_the_results_and_the_text_around_it_stays(
    fill, space, trained, tmp_path
) -> None:
    plan = Plan(load_sweep(space), content_digest("digits", None))
    Store(tmp_path, "tiny").publish("pack", trained(plan).rows, {})
    filled = fill(TEXT.format(space=space), tmp_path, tmp_path)
    assert filled.startswith("Before.\n<!-- begin")
    assert "old" not in filled
    assert "| bp-sgd | 0.1 | 3 | 0.873 | 0.859 to 0.888 |" in filled
    assert "claims" in filled.partition("After.")[2]
    assert fill(filled, tmp_path, tmp_path) == filled


def test_what_was_not_run_says_so(fill, tmp_path) -> None:
    assert "Not run yet." in fill(TEXT.format(space="fig_3_1"), tmp_path, tmp_path)


def test_a_figure_is_shown_with_a_link_to_the_rates_tried_where_there_are_any(fill, tmp_path) -> None:
    figures = tmp_path / "results" / "fig_3_1" / "figures"
    figures.mkdir(parents=True)
    text = "<!-- begin: figure fig_3_1 -->\n<!-- end -->\n"
    (figures / "fig_3_1.png").touch()
    alone = fill(text, tmp_path / "results", tmp_path)
    assert "](results/fig_3_1/figures/fig_3_1.png)" in alone
    assert "rates" not in alone
    (figures / "fig_3_1-rates.png").touch()
    assert "](results/fig_3_1/figures/fig_3_1-rates.png)" in fill(text, tmp_path / "results", tmp_path)
