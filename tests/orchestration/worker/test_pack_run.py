"""A pack that is interrupted goes on from its checkpoint, and ends with the rows it would have had."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from dfa_tune.errors import UserError
from dfa_tune.learning.first_layer.sparse import Sparse
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, DamagedCheckpointWarning
from dfa_tune.orchestration.worker.pack_config import PackConfig, RunSettings
from dfa_tune.orchestration.worker.pack_run import CheckpointTiming, PackRun, UnwritableError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results import Store

SPACE = """
name: tiny
problem: {kind: parity, dataset: digits, k: 2, train_samples: 1024, test_samples: 200}
network: {hidden: 16}
training: {epochs: 4, batch_size: 16, weight_decay: 0.001}
methods: [{rule: dfa, optimizer: adam}]
learning_rates: {adam: [0.001, 0.003, 0.01]}
"""

BATCHES = 64  # an epoch

Make = Callable[..., PackRun]
ALWAYS = CheckpointTiming(shortest=0.0, longest=0.0)  # a checkpoint after every `advance`


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The pack of all the space's tuning trials, with results under the folder given."""
    space = tmp_path / "tiny.yaml"
    space.write_text(SPACE)
    trials = Plan(load_sweep(space), content_digest("digits")).due({})

    def _make(results: Path, count: int = 3, timing: CheckpointTiming = ALWAYS) -> PackRun:
        run = RunSettings(results=str(results), name="tiny", owner="me", space=SPACE, save_weights=True)
        return PackRun(PackConfig(run=run, pack=Pack(tuple(trials[:count]))), timing)

    return _make


def finish(pack: PackRun) -> pd.DataFrame:
    while not pack.finished:
        pack.advance(10.0)
    pack.publish()
    store = Store(pack._config.run.results, "tiny")
    assert store.folder("checkpoints").files() == []
    return store.read().drop(columns="seconds")


@pytest.fixture
def whole(make: Make, tmp_path: Path) -> pd.DataFrame:
    return finish(make(tmp_path / "whole"))


def interrupted(make: Make, results: Path) -> PackRun:
    """A pack whose process died in mid-epoch, after several checkpoints."""
    pack = make(results)
    while pack.training.epoch < 3 or not pack.training.steps % BATCHES:
        pack.advance(0.0)  # one batch
    return pack


def checkpoint(results: Path) -> Path:
    [path] = (results / "tiny" / "checkpoints").iterdir()
    return path


def test_an_interrupted_pack_goes_on_bit_for_bit(make: Make, tmp_path: Path, whole: pd.DataFrame) -> None:
    results = tmp_path / "results"
    before = interrupted(make, results)
    after = make(results)
    assert (after.training.epoch, after.training.steps) == (before.training.epoch, before.training.steps)
    assert after.training.steps % BATCHES  # in mid-epoch
    pd.testing.assert_frame_equal(finish(after), whole, check_exact=True)
    for weights in (results / "tiny" / "weights").iterdir():
        assert weights.read_bytes() == (tmp_path / "whole" / "tiny" / "weights" / weights.name).read_bytes()


def test_a_pack_begins_when_it_began_first(make: Make, tmp_path: Path) -> None:
    begun = interrupted(make, tmp_path)._started
    time.sleep(0.05)
    assert make(tmp_path)._started == begun


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, path)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def pickled(path: Path) -> None:
    torch.save({"state": torch.zeros(2)}, path)


def huge_header(path: Path) -> None:
    path.write_bytes((2**63).to_bytes(8, "little") + b"{}")


@pytest.mark.parametrize("damage", [torn, empty, foreign, flipped, pickled, huge_header])
def test_a_damaged_checkpoint_is_set_aside_by_name_and_the_pack_trained_afresh(
    make: Make, tmp_path: Path, whole: pd.DataFrame, damage: Callable[[Path], None]
) -> None:
    interrupted(make, tmp_path / "r")
    path = checkpoint(tmp_path / "r")
    damage(path)
    with pytest.warns(DamagedCheckpointWarning, match=path.name):
        pack = make(tmp_path / "r")
    assert (tmp_path / "r" / "tiny" / "damaged" / path.name).is_file()
    assert pack.training.steps == 0
    pd.testing.assert_frame_equal(finish(pack), whole, check_exact=True)


def test_another_packs_checkpoint_under_this_ones_name_is_set_aside(make: Make, tmp_path: Path) -> None:
    interrupted(make, tmp_path)
    path = checkpoint(tmp_path)
    other = make(tmp_path, count=2)
    shutil.move(path, path.with_name(f"{other.pack.id}.safetensors"))
    with pytest.warns(DamagedCheckpointWarning, match="its name"):
        assert make(tmp_path, count=2).training.steps == 0


def test_a_state_that_is_not_of_this_training_is_set_aside(make: Make, tmp_path: Path) -> None:
    before = interrupted(make, tmp_path)
    state = before.training.state() | {"parameter.output.weight": torch.zeros(3, 5, 7)}
    assert "parameter.output.weight" in before.training.state()
    before._checkpoints.save(before.pack, before._environment(), Checkpoint(state, [], 0.0))
    with pytest.warns(DamagedCheckpointWarning, match="not the state of this pack"):
        assert make(tmp_path).training.steps == 0


def resealed(make: Make, results: Path, change: Callable[[Checkpoint], object]) -> Path:
    """A checkpoint that someone has changed, and sealed again."""
    before = interrupted(make, results)
    found = before._checkpoints.load(before.pack, before._environment())
    assert found is not None
    assert len(found.rows) == 3 * 2  # members, epochs that have ended
    given = change(found)
    before._checkpoints.save(
        before.pack, before._environment(), given if isinstance(given, Checkpoint) else found
    )
    return checkpoint(results)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.rows.pop(), "not those of 3 members after 2 epochs"),
        (lambda c: c.rows.clear(), "not those of 3 members"),
        (lambda c: c.rows.append(c.rows[-1]), "not those of 3 members"),
        (lambda c: c.rows[0].update(member=7), "not those of 3 members"),
        (lambda c: c.rows[0].update(epoch=3), "not those of 3 members"),
        (lambda c: c.rows[0].update(trial_id="0" * 16), "other columns: trial_id"),
        (lambda c: c.rows[0].pop("seconds"), "other columns: seconds"),
        (lambda c: c.rows[0].update(test_loss="low"), "test_loss: 'low' is not a number"),
        (lambda c: c.rows[0].update(diverged=0), "diverged 0"),
        (lambda c: Checkpoint(c.state, 5, 0.0), "not a list of rows"),  # type: ignore[arg-type]
        (lambda c: Checkpoint(c.state, [5], 0.0), "not a list of rows"),  # type: ignore[list-item]
        (lambda c: Checkpoint(c.state, c.rows, 1e300), "started: 1e[+]300"),
        (lambda c: Checkpoint(c.state, c.rows, None), "started: None"),  # type: ignore[arg-type]
    ],
)
def test_a_checkpoint_whose_rows_are_not_those_of_its_pack_is_set_aside(
    make: Make, tmp_path: Path, change: Callable[[Checkpoint], object], says: str
) -> None:
    path = resealed(make, tmp_path, change)
    with pytest.warns(DamagedCheckpointWarning, match=says):
        assert make(tmp_path).training.steps == 0
    assert (tmp_path / "tiny" / "damaged" / path.name).is_file()


def test_a_checkpoint_at_the_end_of_its_training_is_set_aside(
    make: Make, tmp_path: Path, whole: pd.DataFrame
) -> None:
    """Nothing would be trained, and nothing that it says could be checked."""
    ended = make(tmp_path / "other", timing=CheckpointTiming(shortest=60.0))
    while not ended.finished:
        ended.advance(10.0)
    resealed(make, tmp_path / "r", lambda _: Checkpoint(ended.training.state(), ended._rows, 0.0))
    with pytest.warns(DamagedCheckpointWarning, match="at the end of the training"):
        pack = make(tmp_path / "r")
    pd.testing.assert_frame_equal(finish(pack), whole, check_exact=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("capability", ["DEFAULT", "AVX2"])
def test_a_pack_is_not_resumed_on_a_cpu_whose_products_differ(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: str
) -> None:
    interrupted(make, tmp_path)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    resumed = torch._C._get_cpu_capability() == capability
    assert (make(tmp_path).training.steps > 0) == resumed


def test_data_that_were_replaced_after_the_start_are_not_trained_on(make: Make, tmp_path: Path) -> None:
    pack = make(tmp_path).pack
    planned = Pack(tuple(replace(trial, data_digest="0" * 16) for trial in pack.trials))
    run = RunSettings(results=str(tmp_path), name="tiny", owner="me", space=SPACE)
    with pytest.raises(UserError, match=f"its content has the digest {pack.trials[0].data_digest}, not 0000"):
        PackRun(PackConfig(run=run, pack=planned))


@pytest.mark.filterwarnings("error")
def test_another_torch_does_not_go_on_with_numbers_that_are_not_its_own(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(make, tmp_path)
    monkeypatch.setattr(torch, "__version__", "0.0.0")
    assert make(tmp_path).training.steps == 0
    assert checkpoint(tmp_path).is_file()  # the one that wrote it may still come back


def test_a_checkpoint_holds_no_code_and_no_settings_of_the_user(make: Make, tmp_path: Path) -> None:
    from safetensors import safe_open

    interrupted(make, tmp_path)
    with safe_open(str(checkpoint(tmp_path)), "pt") as file:
        header = file.metadata()
    assert set(header) == {"format", "trials", "torch", "device", "cpu", "seal"}
    assert len(json.loads(header["trials"])) == 3


def test_results_that_cannot_be_written_stop_the_pack(make: Make, tmp_path: Path) -> None:
    pack = make(tmp_path / "r")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "tiny").write_text("a file in the way")
    with pytest.raises(UnwritableError, match="is a file"):
        pack.advance(0.01)


def test_the_first_checkpoint_is_not_written_at_once(make: Make, tmp_path: Path) -> None:
    pack = make(tmp_path, timing=CheckpointTiming(shortest=60.0))
    pack.advance(0.01)
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(
    ("write_seconds", "interval"),
    [(0.001, 5.0), (0.2, 10.0), (0.5, 25.0), (3.0, 30.0)],  # 0.2 s are 2% of 10 s
)
def test_checkpoints_take_two_percent_of_the_time_and_come_twice_a_minute(
    write_seconds: float, interval: float
) -> None:
    assert CheckpointTiming().interval(write_seconds) == pytest.approx(interval)


@pytest.mark.parametrize(("densest", "sparse"), [(0.6, True), (0.5, False)])
def test_the_density_of_the_data_decides_whether_zeros_are_skipped(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, densest: float, sparse: bool
) -> None:
    """51% of the values of `digits` are not zero."""
    monkeypatch.setattr("dfa_tune.learning.first_layer.sparse.DENSEST", densest)
    pack = make(tmp_path, 1)
    pack.advance(0.0)
    assert isinstance(pack.training._current.batches.get(slice(0, 2)).inputs, Sparse) == sparse


# -- members that leave


def test_members_that_leave_at_different_epochs_and_those_that_stay_equal_the_trials_alone(
    make: Make, tmp_path: Path
) -> None:
    """Three members to epoch 1, two of them to epoch 3, the last one to the end; bit for bit."""
    first = make(tmp_path / "r").pack
    found: dict[str, pd.DataFrame] = {}
    left: str | None = None
    for members, until in (((0, 1, 2), 1), ((0, 2), 3), ((2,), None)):
        trials = tuple(replace(first.trials[member], until=until) for member in members)
        run = RunSettings(results=str(tmp_path / "r"), name="tiny", owner="me", space=SPACE)
        pack = PackRun(PackConfig(run=run, pack=Pack(trials, left)), ALWAYS)
        assert pack.training.epoch == {3: 1, None: 3}.get(until, 0)  # it goes on where the pack was
        while not pack.finished:
            pack.advance(0.0)  # one batch
        assert pack.training.epochs_ended == (until or 4)
        pack.publish()
        left = pack.pack.id
    store = Store(tmp_path / "r", "tiny")
    rungs, _ = store.read_rungs()
    found = {trial.id: rungs[rungs["trial_id"] == trial.id] for trial in first.trials}
    assert [len(found[trial.id]) for trial in first.trials] == [3, 1, 3]
    assert all(rows["stopped"].all() for rows in found.values())
    found[first.trials[2].id] = store.read()
    assert store.folder("checkpoints").files() == []
    for trial in first.trials:
        run = RunSettings(results=str(tmp_path / trial.id), name="tiny", owner="me", space=SPACE)
        alone = finish(PackRun(PackConfig(run=run, pack=Pack((trial,)))))
        rows = found[trial.id].drop(columns=["seconds", "stopped"]).reset_index(drop=True)
        expected = alone.drop(columns="stopped").iloc[: len(rows)]
        pd.testing.assert_frame_equal(rows, expected, check_exact=True)


def test_a_pack_that_was_killed_at_a_rung_before_it_published_publishes(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path).pack
    pack = Pack(tuple(replace(trial, until=2) for trial in first.trials))
    run = RunSettings(results=str(tmp_path), name="tiny", owner="me", space=SPACE)
    before = PackRun(PackConfig(run=run, pack=pack), CheckpointTiming(shortest=60.0))
    before.advance(60.0)
    before._save()
    after = PackRun(PackConfig(run=run, pack=pack))
    assert after.finished
    after.publish()
    rungs, _ = Store(tmp_path, "tiny").read_rungs()
    assert rungs.groupby("trial_id")["epoch"].max().tolist() == [2, 2, 2]


def test_a_checkpoint_that_lacks_a_member_is_set_aside(make: Make, tmp_path: Path) -> None:
    first = interrupted(make, tmp_path)
    stranger = replace(first.pack.trials[0], seed=99)
    run = RunSettings(results=str(tmp_path), name="tiny", owner="me", space=SPACE)
    with pytest.warns(DamagedCheckpointWarning, match="its name"):
        pack = PackRun(PackConfig(run=run, pack=Pack((stranger,), first.pack.id)))
    assert pack.training.steps == 0
