"""Arguments that are not valid: one message, exit code 2, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plan", "quickstar"], "quickstart"),
        (["plan", "quickstart", "--set", "problem.k=0"], "problem.k = 0"),
        (["plan", "quickstart", "--set", "problem.q=0"], "unknown key"),
        (["plan", "quickstart", "--set", "problem"], "="),
        (["plan", "quickstart", "--set", "problem.dataset=minst"], "'mnist'"),
        (["plan", "quickstart", "--set", "methods=[]"], "methods"),
        (["plan", "quickstart", "--set", "methods.0.rule=bpp"], "unknown rule 'bpp'"),
        (["plan", "quickstart", "--set", "methods.0.optimizer=sdg"], "unknown optimizer 'sdg'"),
        (["plan", "quickstart", "--set", "learning_rates.sgd=0"], "learning_rates.sgd = 0"),
        (["plan", "quickstart", "--set", "learning_rates.sgd={low: 2, high: 1, points: 3}"], "low"),
        (["plan", "quickstart", "--set", "learning_rates={}"], "no learning rate"),
        (["plan", "quickstart", "--set", "tuning.window=1000"], "tuning.window = 1000"),
        (["plan", "quickstart", "--set", "name=../x"], "name"),
        (["plan", "quickstart", "--method", "bp-adamw"], "bp-sgd"),
        (["run", "quickstart", "--pack", "none"], "--pack none"),
        (["plan", "/nowhere/space.yaml"], "/nowhere/space.yaml"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], says: str, tmp_path: Path, invoke
) -> None:
    code, out, err = invoke(*arguments, "--results", str(tmp_path))
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "option"), [("status quickstart", "--results"), ("plan fig_3_1", "--data")]
)
def test_the_home_of_an_unknown_user_is_refused(command: str, option: str, invoke) -> None:
    code, _, err = invoke(*command.split(), option, "~nosuchuser/x")
    assert code == 2
    assert "~nosuchuser/x: " in err


def test_without_a_home_only_what_needs_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])  # as for an id that the system does not know
    results = ["--results", str(tmp_path)]
    assert invoke("plan", "quickstart", *results)[0] == 0
    assert invoke("plan", "fig_3_1", *results, "--data", str(tmp_path))[0] == 0
    code, _, err = invoke("plan", "fig_3_1", *results)
    assert code == 2
    assert "--data" in err
