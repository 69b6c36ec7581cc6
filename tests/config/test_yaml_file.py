"""YAML and `--set`: what is read as what, and what is refused before its meaning is looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfa_tune.errors import UserError
from dfa_tune.planning.sweep import Sweep, load_sweep


def rates(sweep: Sweep) -> tuple[float, ...]:
    return sweep.rates[sweep.methods[0]]


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "1.e-3", "'1e-3'", "0.001", ".001", "10e-4"])
def test_a_float_may_be_written_with_an_exponent(load, text: str) -> None:
    assert load(f"training.weight_decay={text}").points[0].training.weight_decay == 0.001
    assert rates(load(f"learning_rates.sgd={text}")) == (0.001,)
    assert rates(load(f"learning_rates.sgd.low={text}"))[0] == 0.001


def test_tuning_at_can_be_set_by_its_dotted_key(load) -> None:
    assert load("problem.k=[1, 3]", "tuning.at.problem.k=3").tuning.at == {"problem.k": 3}
    assert set(load("tuning.with.training.weight_decay=[0, 0.1]").further) == {"training.weight_decay"}


def test_set_changes_the_named_place_alone_where_yaml_shares_it(load) -> None:
    methods = "methods: [{rule: bp, optimizer: [sgd, adam]}]"
    text = (
        f"name: x\nproblem: {{kind: parity, dataset: digits}}\n{methods}\n"
        "learning_rates: {sgd: &r {low: 0.1, high: 1, points: 3}, adam: *r}"
    )
    sweep = load("learning_rates.adam.points=2", text=text)
    assert [len(found) for found in sweep.rates.values()] == [3, 2]


BROKEN = {
    "": "a mapping with the keys name",
    "- 1": "a mapping with the keys name",
    "name: x\nname: y": "line 2: the key 'name' is given twice",
    "name: {a: 1, a: 2}": "line 1: the key 'a' is given twice",
    "name: [x": "line 1, column 9: not valid YAML",
    "name: !!python/object/apply:os.getcwd []": "not valid YAML",
    "1: x": "the key 1 is not text",
    "name: &a [*a]": "contains itself",
    "name: 2024-13-45": "not valid YAML",
    "name: x\n---\nname: y": "another document",
    'title: ok\nname: "\\ud800"': "line 2: a character that is no text, U+D800",
    '"\\udfff": 1': "line 1: a character that is no text, U+DFFF",
    "seed: 18446744073709551616": "line 1: 18446744073709551616 does not fit in 64 bits",
    "name: x\0": "not valid YAML",
    "[" * 3000: "nested too deeply",
    "name: tiny": "problem: missing",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_refused_with_its_name_and_line(load, text: str) -> None:
    with pytest.raises(UserError, match=r"tiny\.yaml") as caught:
        load(text=text)
    assert BROKEN[text] in str(caught.value)


def test_aliases_that_expand_to_billions_are_refused(load) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(UserError, match="aliases expanded"):
        load(text="\n".join(lines))


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe")])
def test_a_file_that_cannot_be_read_is_refused_with_its_path(tmp_path: Path, make) -> None:
    make(tmp_path / "x.yaml")
    with pytest.raises(UserError, match=r"x\.yaml: (no such file|cannot be read|not text)"):
        load_sweep(tmp_path / "x.yaml")


@pytest.mark.timeout(20)
def test_what_is_not_a_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(UserError, match=r"x\.yaml: cannot be read: not a regular file"):
        load_sweep(tmp_path / "x.yaml")


@pytest.mark.parametrize("text", ["0x10", "0b10000", "16", "+16", "1_6"])
def test_other_ways_to_write_a_whole_number_stay(load, text: str) -> None:
    assert load(f"training.epochs={text}").points[0].training.epochs == 16
