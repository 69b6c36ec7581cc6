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


@pytest.fixture
def filled(fill, space, trained, tmp_path):
    """filled("brink"): the block of this name about a small sweep that is done."""
    space.write_text(space.read_text().replace("[0.01, 0.1, 1.0]", "[0.1, 0.178, 1.0]"))
    plan = Plan(load_sweep(space), content_digest("digits", None))
    Store(tmp_path, "tiny").publish("pack", trained(plan).rows, {})

    def make(what: str, keep: tuple[str, ...] = ()) -> str:
        text = f"<!-- begin: {what} {space} -->\nold\n<!-- end -->\n"
        return fill(text, tmp_path, tmp_path, keep)

    return make


def test_a_rate_beyond_the_best_one_is_compared_with_it(filled) -> None:
    table = filled("brink")
    assert "| bp-sgd | 0.1 | 0.835 | 0.785 (-0.050) | - |" in table
    assert "| dfa-sgd | 0.1 | 0.735 | 0.685 (-0.050) | - |" in table


def test_the_score_of_a_chosen_rate_is_compared_with_that_of_its_repetitions(filled) -> None:
    table = filled("chosen")
    assert "On average over 2 tunings a chosen rate scores -0.0333 more there." in table
    assert "tiny.yaml | dfa-sgd | 0.735 | 0.768 | -0.0333 | 3 |" in table


def test_gaps_are_paired_by_seed(filled) -> None:
    assert "| sgd | 0.873 (n = 3) | 0.773 (n = 3) | +0.100 (+0.100 to +0.100) | 3 |" in filled("gaps")


def test_a_block_about_a_space_that_is_kept_stays(filled, space) -> None:
    assert "\nold\n" in filled("brink", (str(space),))


def test_the_verdicts_under_three_conditions_stand_side_by_side(fill, tmp_path) -> None:
    table = fill("<!-- begin: conditions fig_3_4 -->\n<!-- end -->\n", tmp_path, tmp_path)
    assert "| as written: weight decay 0.001 | as the thesis' code ran it | without weight decay |" in table
    assert table.count("**not run**, -, n = 0 | **not run**, -, n = 0 | **not run**, -, n = 0 |") == 7
