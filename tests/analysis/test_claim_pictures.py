"""The picture of a claim: its places in the box are worked out by hand."""

import numpy as np
import pytest

from dfa_tune.analysis.claim_evidence import Evidence
from dfa_tune.analysis.claim_pictures import Box, picture
from dfa_tune.analysis.judging import Judged
from dfa_tune.config.claims import Mean, Spread

BOX = Box(120, 150, left=10, right=10, top=10, bottom=10)
LEARNS = Mean(id="a", claim="c", space="tiny", sum=[{"method": "bp-sgd"}], above=0.0)
WIDER = Spread(id="b", claim="c", space="tiny", kind="spread", of=["dfa-sgd"], over=["bp-sgd"])


def judged(claim, means, low, high) -> Judged:
    n = len(means)
    found = Evidence(
        claim=claim, n=n, means=np.array(means), low=np.array(low), high=np.array(high), p_holds=np.ones(n)
    )
    return Judged(claim=claim, n=n, measured=means[-1], low=low[-1], high=high[-1], evidence=found)


def test_the_band_the_mean_and_the_bound_are_where_their_numbers_are() -> None:
    inf = np.inf
    drawn = picture(judged(LEARNS, [5.0, 6.0, 6.0], [-inf, -inf, 2.0], [inf, inf, 10.0]), BOX)
    # From 0 (the bound) to 10, and 15% more on each side: 13 for 130, so ten units each; n = 1 to 3 over 100
    assert drawn.bounds == pytest.approx([125.0])
    assert drawn.mean == "10.0,75.0 60.0,65.0 110.0,65.0"
    # What is unbounded is cut at the ends of the plot
    assert drawn.band == "10.0,140.0 60.0,140.0 110.0,105.0 110.0,25.0 60.0,10.0 10.0,10.0"
    assert drawn.last == (110.0, 65.0)
    assert [label for _, label in drawn.n_ticks] == ["1", "2", "3"]


def test_a_ratio_is_on_a_logarithmic_scale_and_labelled_by_its_value() -> None:
    drawn = picture(judged(WIDER, [4.0, 4.0, 4.0], [2.0, 2.0, 2.0], [8.0, 8.0, 8.0]), BOX)
    places = [float(point.split(",")[1]) for point in drawn.band.split()]
    heights = [drawn.bounds[0], places[0], drawn.last[1], places[-1]]  # of 1, 2, 4 and 8
    assert np.diff(heights) == pytest.approx([heights[1] - heights[0]] * 3, abs=0.1)
    assert "1.000" in [label for _, label in drawn.ticks]


def test_a_claim_without_repetitions_has_no_picture() -> None:
    assert picture(Judged(claim=LEARNS, evidence=Evidence(claim=LEARNS)), BOX) is None
