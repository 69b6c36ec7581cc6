"""What a run shows while it runs: in a terminal of any width, in a log, and where nothing can be written."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console, Group

from dfa_tune.orchestration.driver.progress import LINE_SECONDS, Progress
from dfa_tune.orchestration.driver.tune_callback import Forward

MakeSweep = Callable[..., Any]
TWO_POINTS = """
name: a_sweep_with_a_long_name
title: tiny
problem: {kind: parity, dataset: digits, k: [1, 3], train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 2, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: [sgd, adam]}]
learning_rates: {sgd: [0.1, 0.2, 0.4], adam: [0.1, 0.2, 0.4]}
tuning: {metric: METRIC}
repetitions: 2
"""


class Shown:
    """A sweep whose progress is shown; time passes when the test says so."""

    def __init__(self, sweep: Any, console: Console, name: str = "tiny") -> None:
        self.sweep, self.file = sweep, console.file
        self.progress = Progress(console, name, clock=sweep.clock)
        self.tune = Forward(self.progress)

    def __enter__(self) -> Shown:
        self.progress.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.__exit__(*exception)

    def wait(self, seconds: float) -> None:
        """Tune goes on for so long without anything new."""
        self.sweep.clock.now += seconds
        self.tune.on_step_begin(1, [])

    def train(self, name: str, progress: float) -> None:
        """The worker of Tune's trial `name` starts, and reports."""
        trial = SimpleNamespace(trial_id=name)
        self.tune.on_trial_start(1, [], trial)
        result = {"progress": progress, "pack_trials": len(self.sweep.configs[name].pack.trials)}
        self.tune.on_trial_result(1, [], trial, result)

    def end(self, name: str, **given: Any) -> None:
        """The worker of `name` publishes its pack."""
        self.sweep.end(name, **given)
        self.tune.on_trial_complete(1, [], SimpleNamespace(trial_id=name))

    def two_lines(self, width: int) -> list[str]:
        """What the display renders."""
        plain = Console(file=io.StringIO(), width=width)
        self.progress._show()
        plain.print(Group(*self.progress._display.get_renderables()))
        return plain.file.getvalue().splitlines()


@pytest.fixture
def log(make_sweep: MakeSweep) -> Shown:
    """A sweep whose progress goes to a file."""
    return Shown(make_sweep(), Console(file=io.StringIO(), width=80))


def lines(shown: Shown) -> list[str]:
    return shown.file.getvalue().splitlines()


def test_a_log_is_never_silent_for_long(log: Shown) -> None:
    with log:
        assert lines(log) == ["tiny: starting Ray ..., 0:00 elapsed"]
        log.wait(5.0)
        log.progress.watch(log.sweep.search)
        assert lines(log)[1:] == ["tiny: starting workers ..., 0:05 elapsed"]
        for _ in range(4):
            log.wait(LINE_SECONDS / 2)
        assert lines(log)[2:] == [
            "tiny: starting workers ..., 0:20 elapsed",
            "tiny: starting workers ..., 0:35 elapsed",
        ]


def test_a_line_says_what_is_done_what_runs_and_what_is_best(log: Shown) -> None:
    sweep = log.sweep
    with log:
        log.progress.watch(sweep.search)
        for name in "ab":
            sweep.pack(name)
            log.train(name, 0.0)
        sweep.clock.now += 30.0
        log.end("a", accuracy={0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
        log.wait(LINE_SECONDS)
    # 3 of 10 trials in 45 s: the other 7 take 105 s
    expected = "tiny: 3/10 trials done, 0:45 elapsed, about 1:45 left; 3 running; best so far: bp-sgd 0.900"
    assert lines(log)[-1] == expected


def test_failed_trials_are_counted(log: Shown) -> None:
    sweep = log.sweep
    with log:
        log.progress.watch(sweep.search)
        for name in "abcd":
            sweep.pack(name)
            log.train(name, 0.0)
            sweep.end_otherwise(name, "too large", "memory")  # 3 trials, then their halves
        log.wait(LINE_SECONDS)
    assert "2 failed" in lines(log)[-1]


@pytest.mark.parametrize(("metric", "best"), [("test_accuracy", 0.9), ("test_loss", 0.6)])
def test_the_best_so_far_is_that_of_one_point_of_the_axes(
    make_sweep: MakeSweep, metric: str, best: float
) -> None:
    sweep = make_sweep(TWO_POINTS.replace("METRIC", metric), size=3)
    shown = Shown(sweep, Console(file=io.StringIO(), width=300))
    with shown:
        shown.progress.watch(sweep.search)
        names = sweep.hand_out()
        points = {k: [n for n in names if sweep.configs[n].pack.trials[0].problem.k == k] for k in (1, 3)}
        for name in names:
            shown.train(name, 0.0)
        for k in (1, 3):
            shown.end(points[k][0], accuracy={0.1: 0.6, 0.2: 0.9, 0.4: 0.7})
            shown.wait(LINE_SECONDS)
            assert lines(shown)[-1].endswith(f"best so far at k = {k}: bp-sgd {best:.3f}")


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_display_is_two_lines_that_fit(make_sweep: MakeSweep, width: int) -> None:
    sweep = make_sweep(TWO_POINTS.replace("METRIC", "test_accuracy"), size=3)
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    with Shown(sweep, console, "a_sweep_with_a_long_name") as shown:
        shown.progress.watch(sweep.search)
        first = shown.two_lines(width)
        assert "starting workers" in first[0]
        for name in sweep.hand_out():
            shown.train(name, 0.5)
            sweep.clock.now += 5000.0
            shown.end(name)
        both = shown.two_lines(width)
    assert len(both) == 2
    assert all(len(line) <= width for line in both)
    if width >= 80:  # 22.5 trials in 40,000 s, a pack's half of 3 trials before that: 16 in 28,444 s
        assert both[0].startswith("a_sweep_with_a_…")
        assert both[0].rstrip().endswith("24/40 trials done 11:06:40 elapsed, about 7:54:04 left")
        assert "best so far at k = 3: " in both[1]


@pytest.mark.parametrize("terminal", [False, True])
def test_output_that_cannot_be_written_is_no_error_and_is_given_up(
    make_sweep: MakeSweep, terminal: bool
) -> None:
    sweep = make_sweep()
    with Path("/dev/full").open("w") as full:
        console = Console(file=full, force_terminal=terminal, width=80)
        with Shown(sweep, console) as shown:
            shown.progress.watch(sweep.search)
            for _ in range(3):
                shown.wait(LINE_SECONDS)
            shown.progress.say("a line of its own")
        assert os.fstat(full.fileno()).st_rdev == Path(os.devnull).stat().st_rdev  # what comes later vanishes


def test_output_that_was_closed_is_no_error(make_sweep: MakeSweep) -> None:
    file = io.StringIO()
    with Shown(make_sweep(), Console(file=file, width=80)) as shown:
        file.close()
        shown.wait(LINE_SECONDS)
        shown.progress.say("a line of its own")


def test_nothing_is_computed_for_a_console_that_shows_nothing(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    sweep.search.state = None  # whoever asks it fails
    with Shown(sweep, Console(quiet=True)) as shown:
        shown.progress.watch(sweep.search)
        shown.wait(LINE_SECONDS)
