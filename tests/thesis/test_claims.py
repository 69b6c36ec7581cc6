"""The claims of the thesis: each has its place in the text, and is about what its spaces have."""

import pytest

from dfa_tune.config.claims import load_claims
from dfa_tune.planning.claim_check import check
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, space_names


def test_there_are_46_claims_each_with_its_place_and_what_would_refute_it() -> None:
    claims = load_claims()
    assert len(claims) == 46
    for claim in claims:
        assert claim.source.startswith(("section", "chapter"))
        assert claim.refuted_by
        assert claim.expected


@pytest.mark.parametrize("space", sorted(set[str]().union(*(claim.spaces for claim in load_claims()))))
def test_every_claim_is_about_what_its_space_has(space: str) -> None:
    plans = {name: Plan(load_sweep(name)) for name in space_names()}
    check([claim for claim in load_claims() if claim.space == space], plans)
