"""What we use of Ray beyond its public interface is there, and does what its docstring says."""

from __future__ import annotations

import pytest

from dfa_tune.orchestration import ray_internals


def test_rays_own_methods_are_back_when_the_context_without_helpers_ends() -> None:
    from ray._private.node import Node

    before = [getattr(Node, name) for name in ray_internals.HELPERS]
    with ray_internals.without_helpers():
        assert not any(getattr(Node, name) in before for name in ray_internals.HELPERS)
    assert [getattr(Node, name) for name in ray_internals.HELPERS] == before


def test_the_address_of_a_head_is_read_as_ray_reads_it() -> None:
    assert ray_internals.head_address("10.0.0.1:6379") == "10.0.0.1:6379"
    with pytest.raises(ValueError, match="nowhere"):
        ray_internals.head_address("nowhere")
