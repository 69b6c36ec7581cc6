"""The bar of a claim, character by character, and what stands beside it."""

import pytest

from dfa_tune.analysis.explosions import Explosions
from dfa_tune.analysis.judging import Judged
from dfa_tune.cli.claims_table import PLAIN, bar, costs, interval, repetitions, words
from dfa_tune.config.claims import Mean, Spread

ABOVE = Mean(id="a", claim="BP learns", space="tiny", sum=[{"method": "bp-sgd"}], above=0.5)
NEAR = Mean(id="b", claim="near", space="tiny", sum=[{"method": "bp-sgd"}], near=0.5, within=0.1)
SPREAD = Spread(id="c", claim="wider", space="tiny", kind="spread", of=["dfa-sgd"], over=["bp-sgd"])


@pytest.mark.parametrize(
    ("judged", "drawn"),
    [
        (Judged(claim=ABOVE, measured=0.8, low=0.7, high=0.9, n=5), "     |  -o-"),  # 0.5 is in the middle
        (Judged(claim=ABOVE, measured=0.42, low=0.3, high=0.62, n=5), "---o-+---  "),
        (Judged(claim=ABOVE, measured=0.6, n=2), "-----+----o"),  # unbounded
        (Judged(claim=NEAR, measured=0.5, low=0.46, high=0.54, n=5), "|  --o--  |"),
        (Judged(claim=SPREAD, measured=4.0, low=2.0, high=8.0, n=6), "     | -o--"),  # by its logarithm
        (Judged(claim=ABOVE), ""),
    ],
)
def test_the_bar_shows_the_interval_the_mean_and_the_bound(judged: Judged, drawn: str) -> None:
    assert bar(judged, 11, PLAIN) == drawn


def test_an_undecided_claim_says_of_how_many_repetitions_it_has_so_many() -> None:
    judged = Judged(claim=ABOVE, measured=0.6, low=0.4, high=0.8, n=5, expected_n=12)
    assert repetitions(judged) == "5 of ~12"
    assert interval(judged) == "0.400 .. 0.800"


def test_what_the_undecided_claims_would_cost_is_said_once() -> None:
    one = Judged(claim=ABOVE, n=3, expected_n=5, expected_seconds=120.0)
    other = Judged(claim=NEAR, n=3, expected_n=80, expected_seconds=7200.0)
    said = costs([one, other, Judged(claim=SPREAD)])
    assert said.endswith("need 5 to 80 repetitions, which would take one worker 2 min to 2 h for a claim.")
    assert costs([Judged(claim=SPREAD)]) == ""


def test_explosions_stand_beside_the_claim() -> None:
    judged = Judged(claim=ABOVE, n=8, exploded=(Explosions("dfa-sgd", 2, 8),))
    assert str(words(judged)).endswith("[dfa-sgd exploded in 2 of 8 (3% to 65%)]")
