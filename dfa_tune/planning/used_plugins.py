"""Which plugins compute the numbers of trials: part of their ids, and what travels to workers."""

from __future__ import annotations

from collections.abc import Iterable

from dfa_tune.config.method import Method
from dfa_tune.plugins import Plugin
from dfa_tune.registry import ACTIVATIONS, FEEDBACK, OPTIMIZERS, PROBLEMS, RULES, any_plugins, used


def used_plugins(
    methods: Iterable[Method], activations: Iterable[str], problems: Iterable[str]
) -> dict[str, list[Plugin]]:
    """The plugins of these methods, of the networks' activations and of the kinds of problems, by kind.

    Kinds are those of the registries, {"rule": [...]}; one without plugins is left out. A rule may bring an
    activation of its own, which then takes the place of the network's.
    """
    if not any_plugins():  # as nearly always: plans of thousands of trials ask this for each of them
        return {}
    methods, networks = list(methods), dict.fromkeys(activations)
    brought = dict.fromkeys(RULES[method.rule].activation for method in methods)
    return used(
        {
            RULES: [method.rule for method in methods],
            OPTIMIZERS: [method.optimizer for method in methods],
            FEEDBACK: [method.feedback for method in methods],
            ACTIVATIONS: [own for given in networks for own in dict.fromkeys(b or given for b in brought)],
            PROBLEMS: problems,
        }
    )
