"""Which machine of a cluster may train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dfa_tune.orchestration.cluster.nodes import Expected, reasons_to_refuse
from dfa_tune.results.store import Store


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Expected:
    """What this machine has, with the embedded data set; nothing waits for a slow file server."""
    monkeypatch.setattr("dfa_tune.orchestration.cluster.nodes.PROBE_SECONDS", 0.0)
    return Expected.here(Store(tmp_path / "results", "space"), str(tmp_path / "data"), ("digits",), "me")


def test_a_machine_like_the_drivers_may_train(expected: Expected) -> None:
    assert reasons_to_refuse(expected) == []


def test_a_machine_with_another_torch_may_not(expected: Expected) -> None:
    (why,) = reasons_to_refuse(replace(expected, versions=expected.versions | {"torch": "2.0.0"}))
    assert why == f"torch {expected.versions['torch']} instead of 2.0.0"


def test_a_machine_whose_results_folder_is_another_may_not(expected: Expected, tmp_path: Path) -> None:
    (tmp_path / "results" / "space" / str(expected.probe)).unlink()
    (why,) = reasons_to_refuse(expected)
    assert why.startswith(f"{tmp_path}/results is not the folder that the driver writes to")


def test_a_machine_without_the_data_set_may_not_and_downloads_nothing(
    expected: Expected, tmp_path: Path
) -> None:
    (why,) = reasons_to_refuse(replace(expected, digests={"mnist": "0123456789abcdef"}))
    assert why == f"data set 'mnist' in {tmp_path}/data is missing"
    assert not (tmp_path / "data").exists()


def test_a_machine_with_another_content_of_the_data_set_may_not(expected: Expected) -> None:
    (why,) = reasons_to_refuse(replace(expected, digests={"digits": "0123456789abcdef"}))
    assert f"has other content ({expected.digests['digits']} instead of 0123456789abcdef)" in why


def test_a_machine_that_cannot_import_a_plugin_may_not(expected: Expected, no_plugins: None) -> None:
    file = {"path": "mine.py", "text": "import no_such_package", "package": False}
    plugin = {
        "name": "mine",
        "module": "a_plugin_of_a_test",
        "place": "mine.py",
        "files": {"a_plugin_of_a_test": file},
    }
    wanted = replace(expected, plugins={"rule": [plugin]})
    (reason,) = reasons_to_refuse(wanted)
    assert reason.startswith(
        "mine.py: cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"
    )
