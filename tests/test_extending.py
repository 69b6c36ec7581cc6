"""docs/EXTENDING.md keeps its word: each file on that page, dropped in place, trains in a sweep."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from dfa_tune import registry
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.orchestration.packs import memory
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.trial import Trial
from dfa_tune.registry import PROBLEMS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "EXTENDING.md").read_text()
FILES = dict(re.findall(r"```python\n# (dfa_tune/\S+\.py)\n(.*?)```", PAGE, re.DOTALL))
RATE = 0.01

Add = Callable[[str], None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Puts a file of the page where its package looks for modules, for one test."""
    added = []

    def put(file: str) -> None:
        package = importlib.import_module(str(Path(file).parent).replace("/", "."))
        folder = tmp_path / package.__name__
        folder.mkdir(exist_ok=True)
        (folder / Path(file).name).write_text(FILES[file])
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        added.append((package, Path(file).stem))
        registry._module_names.cache_clear()

    yield put
    registry._module_names.cache_clear()
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def started(tmp_path: Path, **changes: Any) -> tuple[Trial, PackTraining]:
    """A tiny sweep's first trial, and its training before the first epoch."""
    space = {
        "name": "tiny",
        "problem": {"kind": "parity", "dataset": "digits", "k": 1, "train_samples": 64, "test_samples": 50},
        "network": {"hidden": 16},
        "training": {"epochs": 1, "batch_size": "full"},
        "methods": [{"rule": "bp", "optimizer": "sgd", "learning_rate": RATE}],
        "learning_rates": {},
        "repetitions": 1,
    } | changes
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(space))
    trial = Plan(load_sweep(file), None).due({})[0]
    assert Trial.from_json(trial.to_json()) == trial  # as it travels to a worker
    problem = PROBLEMS[trial.problem.kind](trial.problem, None, trial.split)
    member = Member(trial.learning_rate, trial.seed, trial.method.feedback)
    names = trial.method.rule, trial.method.optimizer
    return trial, PackTraining(problem, trial.network, trial.training, *names, [member])


def method(rule: str = "bp", optimizer: str = "sgd", feedback: str = "uniform") -> list[dict[str, Any]]:
    return [{"rule": rule, "optimizer": optimizer, "feedback": feedback, "learning_rate": RATE}]


def test_the_page_has_a_file_of_each_kind() -> None:
    assert {str(Path(file).parent.relative_to("dfa_tune")) for file in FILES} == {
        "learning/rules",
        "learning/optimizers",
        "learning/feedback",
        "learning/activations",
        "problems/kinds",
    }


def test_the_worked_example_is_the_real_rule() -> None:
    file = "dfa_tune/learning/rules/sign_symmetric.py"
    assert (ROOT / file).read_text() == FILES[file]


def test_a_new_rule_makes_the_step_that_it_says(
    add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = "dfa_tune/learning/rules/sign_symmetric.py"
    monkeypatch.setitem(FILES, file.replace("sign", "newly_sign"), FILES[file])
    add(file.replace("sign", "newly_sign"))
    training_settings = {"epochs": 1, "batch_size": "full", "precision": "float64"}
    trial, training = started(tmp_path, methods=method("newly_sign_symmetric"), training=training_settings)
    before = {name: value.clone().numpy() for name, value in training.weights(0).items()}
    draw = training.problem.train(trial.seed, 1)

    training.run_epoch()

    x = (draw.gather() - training.problem.mean) / training.problem.std
    w1, w2 = before["hidden.0.weight"], before["output.weight"][0]
    active = x @ w1 > 0
    error = (1 / (1 + np.exp(-(x @ w1 * active) @ w2)) - draw.labels) / len(x)
    gradient = x.T @ ((error[:, None] * np.sign(w2) / np.sqrt(16)) * active)
    step = before["hidden.0.weight"] - training.weights(0)["hidden.0.weight"].numpy()
    np.testing.assert_allclose(step, RATE * gradient, rtol=1e-6, atol=1e-12)


def test_a_new_optimizer_makes_the_step_that_it_says(add: Add, tmp_path: Path) -> None:
    add("dfa_tune/learning/optimizers/sign_descent.py")
    trial, training = started(tmp_path, methods=method(optimizer="sign_descent"))
    before = training.weights(0)["output.weight"].clone()

    training.run_epoch()  # of one step

    assert trial.method.name == "bp-sign_descent"
    moved = (training.weights(0)["output.weight"] - before).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, RATE), rtol=0, atol=1e-7)


def test_a_new_feedback_initialisation_draws_what_it_says(add: Add, tmp_path: Path) -> None:
    add("dfa_tune/learning/feedback/rademacher.py")
    trial, training = started(tmp_path, methods=method("dfa", feedback="rademacher"))

    rows = training.run_epoch()

    assert trial.method.name == "dfa-sgd-rademacher"
    feedback = training.weights(0)["feedback.0"]
    assert feedback.abs().eq(1 / 4).all()  # 1/sqrt(16)
    assert feedback.unique().numel() == 2
    assert -1 < rows[0]["feedback_alignment"] < 1


def test_a_new_activation_is_what_the_network_computes(add: Add, tmp_path: Path) -> None:
    add("dfa_tune/learning/activations/softsign.py")
    _, training = started(tmp_path, network={"hidden": 16, "activation": "softsign"})
    network = training.network
    x = torch.randn(1, 5, network.layers[0].weight.shape[1], generator=torch.Generator().manual_seed(0))

    done = network.forward(x)

    a = (network.scale * x[0]) @ network.layers[0].weight[0]
    expected = torch.nn.functional.softsign(a) @ network.output[0, 0]
    torch.testing.assert_close(done.logits[0, :, 0], expected)
    assert training.run_epoch()[0]["gradient_alignment"] == pytest.approx(1)


def test_a_new_problem_is_learnt_and_its_field_is_a_column_and_an_axis(add: Add, tmp_path: Path) -> None:
    add("dfa_tune/problems/kinds/majority.py")
    trial, training = started(
        tmp_path,
        problem={"kind": "majority", "bits": [5, 7]},
        training={"epochs": 4, "batch_size": 20},
        methods=[{"rule": "bp", "optimizer": "sgd", "learning_rate": 0.3}],
    )

    rows = [training.run_epoch()[0] for _ in range(4)]

    assert trial.columns()["bits"] == 5
    assert rows[-1]["test_accuracy"] > 0.95


def test_a_new_problem_can_have_any_number_of_classes(add: Add, tmp_path: Path) -> None:
    add("dfa_tune/problems/kinds/largest.py")
    trial, training = started(
        tmp_path,
        problem={"kind": "largest", "classes": [3, 20]},
        training={"epochs": 4, "batch_size": 20},
        methods=[{"rule": "dfa", "optimizer": "sgd", "learning_rate": 0.3}],
    )

    rows = [training.run_epoch()[0] for _ in range(4)]

    assert trial.columns()["classes"] == 3
    assert training.weights(0)["output.weight"].shape == (3, 16)
    assert training.weights(0)["feedback.0"].shape == (16, 3)
    assert rows[-1]["test_accuracy"] > 0.9


def test_the_memory_of_a_new_problem_is_estimated_from_its_own_inputs(add: Add, tmp_path: Path) -> None:
    add("dfa_tune/problems/kinds/majority.py")
    trial, _ = started(tmp_path, problem={"kind": "majority"}, training={"epochs": 1, "batch_size": 20})
    weights, tested, width = 15 * 16 + 16, 256, 15 + memory.ACTIVATIONS * (16 + 1)
    tensors = 1 + memory.MEASURED + 1  # the weights, what alignments need, and the gradient: SGD has no state
    assert memory.member_bytes(trial) == 4 * (tensors * weights + tested * width)
