"""Settings that are drawn instead of taken from a grid: at random, or by TPE from the scores so far.

What is drawn depends on the seed and on the scores that it is given, and on nothing else: no state is kept
between two calls. So a run that goes on after it was stopped draws what it would have drawn.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dfa_tune.config.tuned import Listed, Parameter, Range
from dfa_tune.errors import UserError
from dfa_tune.planning.candidates import Values, grid

if TYPE_CHECKING:
    import optuna

ROUND = 4  # suggestions of TPE that are made at once, from what all rounds before have shown
STARTUP = 8  # settings that TPE draws at random before it learns from them
ATTEMPTS = 20  # draws of known settings in a row before the next unknown one of the list is taken


@dataclass(frozen=True)
class TriedSetting:
    """A setting and what it has shown.

    score: None where a trial diverged
    stopped: the epoch at which it was stopped with this score; None if it was trained to the end
    """

    values: Values
    score: float | None
    stopped: int | None = None


def random_settings(parameters: Mapping[str, Parameter], count: int, seed: int) -> list[Values]:
    """`count` different settings, drawn independently."""
    import optuna

    sampler = optuna.samplers.RandomSampler(seed=_seed(seed, "random"))
    return _different(_study(sampler, lower_is_better=False), parameters, count, ())


def tpe_settings(
    parameters: Mapping[str, Parameter],
    count: int,
    seed: int,
    known: Sequence[TriedSetting],
    lower_is_better: bool,
) -> list[Values]:
    """`count` settings that the tree-structured Parzen estimator suggests, given what is `known`.

    While they are out they count as bad ("constant liar"), so that they differ from each other.
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP,
            multivariate=True,
            constant_liar=True,
            seed=_seed(seed, f"tpe/{len(known)}"),
        )
    study = _study(sampler, lower_is_better)
    study.add_trials([_told(tried, parameters) for tried in known])
    return _different(study, parameters, count, [tried.values for tried in known])


def _study(sampler: optuna.samplers.BaseSampler, lower_is_better: bool) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = "minimize" if lower_is_better else "maximize"
    return optuna.create_study(sampler=sampler, direction=direction)


def _different(
    study: optuna.Study, parameters: Mapping[str, Parameter], count: int, known: Sequence[Values]
) -> list[Values]:
    """`count` settings that the study suggests, different from each other and from those `known`."""
    distributions = {name: _distribution(parameter) for name, parameter in parameters.items()}
    seen = {_key(values) for values in known}
    found: list[Values] = []
    attempts = 0
    while len(found) < count:
        asked = study.ask(distributions).params
        values: Values = {name: _value(parameter, asked[name]) for name, parameter in parameters.items()}
        attempts += 1
        if _key(values) in seen:
            if attempts < ATTEMPTS:
                continue
            unknown = (one for one in _all(parameters) if _key(one) not in seen)
            if (another := next(unknown, None)) is None:
                raise UserError(
                    f"tuning.trials: no further setting was found after {len(seen)}; valid: fewer trials, or"
                    " wider ranges"
                )
            values = another
        seen.add(_key(values))
        found.append(values)
        attempts = 0
    return found


def _all(parameters: Mapping[str, Parameter]) -> Iterator[Values]:
    """All settings; of real numbers, which are never drawn twice, none is missing for long."""
    whole = {
        name: Listed(tuple(range(int(p.low), int(p.high) + 1))) if isinstance(p, Range) and p.whole else p
        for name, p in parameters.items()
    }
    return grid(whole)


def _distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    import optuna

    if isinstance(parameter, Listed):  # by position: a value may be a list
        return optuna.distributions.CategoricalDistribution(range(len(parameter.values)))
    if parameter.whole:
        return optuna.distributions.IntDistribution(
            int(parameter.low), int(parameter.high), log=parameter.log
        )
    return optuna.distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _value(parameter: Parameter, drawn: Any) -> Any:
    return parameter.values[drawn] if isinstance(parameter, Listed) else parameter.rounded(drawn)


def _told(tried: TriedSetting, parameters: Mapping[str, Parameter]) -> optuna.trial.FrozenTrial:
    """What Optuna is told of a setting: one without a final score was pruned, which is worse than any."""
    import optuna

    done = tried.score is not None and tried.stopped is None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.PRUNED,
        params={
            name: p.values.index(tried.values[name]) if isinstance(p, Listed) else tried.values[name]
            for name, p in parameters.items()
        },
        distributions={name: _distribution(parameter) for name, parameter in parameters.items()},
        value=tried.score if done else None,
        intermediate_values={tried.stopped: tried.score}
        if tried.stopped is not None and tried.score is not None
        else {},
    )


def _key(values: Values) -> tuple[Any, ...]:
    return tuple(values.values())


def _seed(seed: int, purpose: str) -> int:
    """A seed of 32 bits, as NumPy's old generator wants it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big")
