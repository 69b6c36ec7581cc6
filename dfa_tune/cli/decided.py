"""How many claims about a space are decided, and which command would decide the others."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfa_tune.cli.console import say
from dfa_tune.errors import UserError, this_command

if TYPE_CHECKING:
    from dfa_tune.analysis.deciding import Decision
    from dfa_tune.planning.sweep import Sweep
    from dfa_tune.planning.sweep_results import SweepResults


def say_claims(found: SweepResults, results: str, data: Path | None, *, ended: bool = False) -> None:
    """Say how many claims are decided, if any is about the space; `ended`: at the end of a run, what next.

    found: with the columns of `planning.state.JUDGED`
    """
    from dfa_tune.analysis import extras
    from dfa_tune.analysis.deciding import claims_about
    from dfa_tune.orchestration.driver.repeating import UntilDecided, in_words, is_decided
    from dfa_tune.results.store import Store

    sweep = found.sweep
    if not claims_about(sweep):
        return
    try:
        found = replace(found, extra=extras.kept(found, Store(results, sweep.name)))
        decisions = UntilDecided(sweep, results, data).decisions(found)
    except UserError as error:  # they are about the space as it is written, without these options
        say(f"claims   not judged: {error}")
        return
    say(f"claims   {in_words(decisions)}")
    undecided = [one for one in decisions if one.steers and not is_decided(one)]
    if ended and undecided:
        for one in undecided:
            expected = f", about {one.expected_n} expected" if one.expected_n is not None else ""
            say(f"undecided: {one.claim.id} (after {one.n} repetitions{expected})")
        for reason, command in _next(sweep, undecided, results, data):
            say(f"{reason}:\n  {command}")


def _next(sweep: Sweep, undecided: list[Decision], results: str, data: Path | None) -> list[tuple[str, str]]:
    """What to run next, each with the reason."""
    if waits_for := sorted({name for one in undecided for name in one.waits_for}):
        where = ["--results", results] if results != "results" else []
        where += ["--data", str(data)] if data is not None else []
        reason = "they are compared with {}, which has fewer repetitions; to go on"
        return [
            (reason.format(name), shlex.join(["dfa-tune", "run", name, *where, "--until-decided"]))
            for name in waits_for
        ]
    if sweep.repetitions.until != "decided":
        return [("to decide them", f"{this_command()} --until-decided")]
    most = sweep.repetitions.max
    reason = f"{most} repetitions, the maximum, did not decide them; to go on"
    return [(reason, f"{this_command()} --max-repetitions {2 * most}")]
