"""The JSON schema agrees with the validation, and the published file with the schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from dfa_tune.config.json_schema import schema_path, space_schema
from dfa_tune.config.key_texts import TEXTS
from dfa_tune.planning.sweep import load_sweep, parse_sweep, space_names, space_path

SCHEMA = space_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
TEMPLATE = Path(load_sweep.__code__.co_filename).parents[1] / "cli" / "space_template.yaml"


def errors(document: object) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(document)]


def changed(**keys: object) -> dict[str, object]:
    """The quick start's space with these top-level keys."""
    document = yaml.safe_load(space_path("quickstart").read_text())
    assert isinstance(document, dict)
    del document["claims"]  # they are about the space as it is
    return document | keys


def test_the_published_schema_is_that_of_the_code() -> None:
    # To write it anew: python -m dfa_tune.config.json_schema > search_spaces/space.schema.json
    assert json.loads(schema_path().read_text()) == SCHEMA


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", space_names())
def test_every_bundled_space_is_valid_and_names_the_schema(name: str) -> None:
    text = space_path(name).read_text()
    assert errors(yaml.safe_load(text)) == []
    assert "# yaml-language-server: $schema=space.schema.json" in text.splitlines()


def test_a_new_space_is_valid() -> None:
    assert errors(yaml.safe_load(TEMPLATE.read_text())) == []


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"repetition": 3}, "$"),
        ({"problem": {"kind": "parity", "kk": 3}}, "$.problem"),
        ({"problem": {"kind": "parity", "k": 0}}, "$.problem.k"),
        ({"problem": {"kind": "clusters", "k": 3}}, "$.problem"),
        ({"network": {"hidden": "wide"}}, "$.network.hidden"),
        ({"training": {"precision": "float8"}}, "$.training.precision"),
        ({"training": {"device": ["cpu", "cuda"]}}, "$.training.device"),
        ({"tuning": {"split": "train"}}, "$.tuning.split"),
        ({"learning_rates": {"sgd": {"low": 0.1}}}, "$.learning_rates.sgd"),
        ({"learning_rates": {"sgd": -1}}, "$.learning_rates.sgd"),
        ({"repetitions": {"min": 0}}, "$.repetitions"),
        ({"claims": [{"id": "a", "claim": "b", "sum": [{"methods": "bp-sgd"}], "above": 0}]}, "$.claims[0]"),
    ],
)
def test_what_the_validation_refuses_is_marked_where_it_is(keys: dict[str, object], where: str) -> None:
    found = errors(changed(**keys))
    assert found
    assert all(path.startswith(where) for path in found)
    with pytest.raises(Exception, match=r"quickstart"):
        parse_sweep(yaml.safe_dump(changed(**keys)), "quickstart")


@pytest.mark.parametrize(
    "keys",
    [
        {"problem": {"kind": "parity", "dataset": ["digits", "mnist"], "k": [1, 3]}},
        {"problem": {"kind": "clusters", "clusters": 2, "labels": [[0, 1, 1, 0], "random"]}},
        {"network": {"hidden": [64, 64]}},
        {"network": {"hidden": [[64], [64, 64]], "activation": ["relu", "tanh"], "bias": True}},
        {"training": {"epochs": 12, "batch_size": ["full", 32]}},
        {"repetitions": {"min": 3, "max": 9, "until": {"half_width": 0.01}}},
        {"optimizers": {"rmsprop": {"rho": [0.9, 0.99]}, "sgd": {"weight_decay": 0.1}}},
    ],
)
def test_what_the_validation_takes_is_valid(keys: dict[str, object]) -> None:
    parse_sweep(yaml.safe_dump(changed(**keys)), "quickstart")
    assert errors(changed(**keys)) == []


def test_names_that_a_plugin_adds_are_valid() -> None:
    own = {"rule": "mine", "optimizer": "mine_too", "learning_rate": 0.1}
    assert errors(changed(methods=[own], problem={"kind": "mine", "anything": 1})) == []


def test_every_key_says_what_it_means() -> None:
    def silent(properties: dict[str, dict[str, object]]) -> list[str]:
        return [name for name, about in properties.items() if name != "kind" and not about["description"]]

    own = SCHEMA["properties"]
    assert silent(own) == []
    for group in ("network", "training"):
        assert silent(own[group]["properties"]) == []
    for branch in own["problem"]["allOf"]:
        assert silent(branch["then"]["properties"]) == []
    assert silent(SCHEMA["$defs"]["Tuning"]["properties"]) == []
    assert {"tuning.metric", "methods.rule"} <= TEXTS.keys()
