"""Progress below a notebook's cell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dfa_tune.orchestration.driver.notebook_display import html, notebook_console
from dfa_tune.orchestration.driver.progress import Progress
from dfa_tune.orchestration.driver.runner import Outcome
from dfa_tune.planning.state import Count


def test_outside_of_a_notebook_there_is_no_console_for_it() -> None:
    assert notebook_console() is None


def test_text_is_escaped_and_the_bar_is_as_full_as_the_share() -> None:
    shown = html("<b>", 0.25, "1/4 trials done", "0:03 elapsed", "a < b")
    assert 'value="0.2500"' in shown
    assert "&lt;b&gt;" in shown
    assert "a &lt; b" in shown


def test_progress_changes_one_place_below_the_cell(
    make_sweep: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    fake = ModuleType("IPython.display")
    fake.HTML = str  # type: ignore[attr-defined]
    handle = SimpleNamespace(update=shown.append)
    fake.display = lambda content, display_id: handle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    sweep = make_sweep()
    with Progress(Console(force_jupyter=True), "tiny", clock=sweep.clock) as progress:
        progress.watch(sweep)
        sweep.clock.now += 10
        progress.look()
    assert "starting Ray" in shown[0]
    assert "0:10 elapsed" in shown[-1]
    assert len(set(shown)) == len(shown)  # nothing is sent twice


def test_an_outcome_shows_what_was_trained() -> None:
    assert "3 of 4 trials are done: 2 trained now, 1 taken over" in Outcome(Count(4, 3), 2, 1)._repr_html_()
