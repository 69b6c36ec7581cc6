"""Live progress of a sweep: two lines that refresh in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any

from ray.tune import Callback
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dfa_tune.orchestration.driver.searcher import TuneThenRepeat
from dfa_tune.orchestration.progress_text import clock

LINE_SECONDS = 15.0  # between two lines where the output is not a terminal
BEST_SHOWN = 4


class Progress(Callback):
    """Shows trials done and running, the best so far and the time left; a Tune callback and a context."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._searcher: TuneThenRepeat | None = None
        self._shares: dict[str, tuple[float, int]] = {}  # of running packs: share done, trials
        self._begun: set[str] = set()
        self._start = time.monotonic()
        self._first: tuple[float, float] | None = None  # when training began, and what was done by then
        self._last_line = -LINE_SECONDS
        self._live: Live | None = None
        self._note = "starting Ray"

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=2)
            self._live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*exception)

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its callbacks for a snapshot that is never read."""
        return {}

    def watch(self, searcher: TuneThenRepeat) -> None:
        """Show this searcher's packs from now on."""
        self._searcher, self._note = searcher, "starting workers"

    def say(self, line: str) -> None:
        """Print a line of its own, above the live ones."""
        (self._live.console if self._live is not None else self._console).print(line, highlight=False)

    # -- Tune's hooks ---------------------------------------------------------------------------

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A worker has taken the pack: until then it only waits."""
        self._begun.add(trial.trial_id)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        """A worker has trained for some seconds."""
        self._shares[trial.trial_id] = (result["progress"], result["pack_trials"])
        if self._first is None:
            self._first = (time.monotonic(), self._work_done())
        self._tell()

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A pack is done, and its rows are in the store."""
        self._shares.pop(trial.trial_id, None)
        self._tell()

    on_trial_error = on_trial_complete

    # -- what is shown --------------------------------------------------------------------------

    def _work_done(self) -> float:
        """Trials done, those being trained by their share of epochs."""
        assert self._searcher is not None
        return self._searcher.state.count().done + sum(share * n for share, n in self._shares.values())

    def left(self) -> float | None:
        """Seconds that the rest will take at the rate so far; None until that can be told."""
        if self._first is None or self._searcher is None:
            return None
        begun, before = self._first
        done, elapsed = self._work_done(), time.monotonic() - begun
        if done - before <= 0 or elapsed < 1:
            return None
        return (self._searcher.state.count().planned - done) * elapsed / (done - before)

    def _lines(self) -> tuple[str, str, float]:
        elapsed = clock(time.monotonic() - self._start)
        if self._searcher is None or self._first is None:
            return f"{self._note} ...   {elapsed} elapsed", "", 0.0
        count = self._searcher.state.count()
        running = sum(len(p.pack.trials) for name, p in self._searcher.running.items() if name in self._begun)
        left = self.left()
        failed = sum(len(failure.pack.trials) for failure in self._searcher.failures)
        first = (
            f"{count.done}/{count.planned} trials done, {running} running"
            + (f", {failed} failed" if failed else "")
            + f"   {elapsed} elapsed"
            + (f", about {clock(left)} left" if left is not None else "")
        )
        best = sorted(self._searcher.state.best(), key=lambda item: -(item[1].score or 0))
        shown = ", ".join(f"{name} {choice.score:.3f}" for name, choice in best[:BEST_SHOWN])
        return first, f"best so far: {shown}" if shown else "", self._work_done() / count.planned

    def _render(self) -> Table:
        first, second, share = self._lines()
        width = 24
        filled = int(share * width)
        table = Table.grid()
        bar = Text("━" * filled, style="green") + Text("━" * (width - filled), style="bright_black")
        table.add_row(Text(f"{self._name} ", style="bold") + bar + Text(f" {first}", no_wrap=True))
        table.add_row(Text(second, style="bright_black", no_wrap=True))
        return table

    def _tell(self) -> None:
        now = time.monotonic()
        if self._live is None and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            first, second, _ = self._lines()
            line = f"{self._name}: {first}" + (f"; {second}" if second else "")
            self._console.print(line, highlight=False, soft_wrap=True)
