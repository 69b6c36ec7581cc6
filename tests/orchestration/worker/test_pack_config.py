"""What travels to a worker: JSON there and back, and nothing that a worker could not use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_config import PackConfig, RunSettings
from dfa_tune.planning.state import SweepState

RUN = RunSettings(results="/results", name="tiny", owner="me", space="name: tiny")


@pytest.fixture
def config(make_state: Callable[..., SweepState]) -> PackConfig:
    trials = make_state().ready()[:3]
    return PackConfig(
        run=replace(RUN, data="/data", threads=2, save_weights=True, versions={"torch": "2.6"}),
        pack=Pack(tuple(trials)),
        request={"CPU": 2.0, "GPU": 0.5},
        avoid=("a", "b"),
        step_seconds=3.5,
    )


def test_a_config_survives_json(config: PackConfig) -> None:
    assert PackConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_config_with_a_missing_or_an_unknown_key_is_refused(config: PackConfig) -> None:
    content = config.to_json()
    with pytest.raises(ValueError, match="unknown: further"):
        PackConfig.from_json(content | {"further": 1})
    del content["owner"]
    with pytest.raises(ValueError, match="missing or unknown: owner"):
        PackConfig.from_json(content)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"owner": ""}, "owner is empty"),
        ({"threads": 0}, "threads = 0"),
        ({"trainer": "module.function"}, "trainer = 'module.function'; valid: module:function"),
    ],
)
def test_settings_that_no_worker_could_use_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(RUN, **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pack": Pack(())}, "no trials"),
        ({"request": {}}, "request = {}"),
        ({"request": {"CPU": 0.0}}, "positive amounts"),
        ({"step_seconds": 0.0}, "step_seconds = 0.0"),
    ],
)
def test_a_pack_that_no_worker_could_train_is_refused(
    config: PackConfig, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(config, **change)
