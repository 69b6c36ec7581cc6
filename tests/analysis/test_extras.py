"""The extra table of a figure: made once, kept with the results, made anew for other repetitions."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dfa_tune.analysis import extras, figures
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.results import checksum
from dfa_tune.results.reader import DamagedFileWarning
from dfa_tune.results.store import Store


@pytest.fixture
def results(plan, trained) -> SweepResults:
    """The results of a sweep that has the figure module `quickstart`."""
    return trained(Plan(replace(plan().sweep, figure_name="quickstart")))


def test_a_table_is_made_once_and_kept_for_these_repetitions(results, figure_folder, tmp_path) -> None:
    calls = tmp_path / "calls"
    (figure_folder / "quickstart.py").write_text(
        "import pandas as pd\n"
        "def extra(results, store, data):\n"
        f"    with open({str(calls)!r}, 'a') as file:\n        file.write('x')\n"
        "    return pd.DataFrame({'digit': [1, 2]})\n"
    )
    store = Store(tmp_path / "results", "tiny")
    assert extras.kept(results, store) is None
    assert extras.missing(results, store)
    for _ in range(2):
        made = extras.made(results, store)
        assert made is not None
        pd.testing.assert_frame_equal(made, pd.DataFrame({"digit": [1, 2]}))
    assert calls.read_text() == "x"
    assert not extras.missing(results, store)
    first = results.finals["trial_id"].iloc[0]
    fewer = replace(results, rows=results.rows[results.rows["trial_id"] != first])
    assert extras.kept(fewer, store) is None


def test_a_damaged_table_is_made_anew_or_else_not_used(results, figure_folder, tmp_path) -> None:
    (figure_folder / "quickstart.py").write_text(
        "import pandas as pd\ndef extra(results, store, data):\n    return pd.DataFrame({'digit': [1, 2]})\n"
    )
    store = Store(tmp_path / "results", "tiny")
    made = extras.made(results, store)
    [path] = Path(store.path("extras")).iterdir()
    content = bytearray(path.read_bytes())
    mark = content.index(checksum.MARK)
    for at in [*range(4, mark, 97), *range(mark + len(checksum.MARK), len(content), 97)]:
        content[at] ^= 1
        path.write_bytes(content)
        with pytest.warns(DamagedFileWarning, match=r"extras/[0-9a-f]+\.parquet"):
            assert extras.kept(results, store) is None
        content[at] ^= 1
    content[4] ^= 1
    path.write_bytes(content)
    with pytest.warns(DamagedFileWarning):
        again = extras.made(results, store)
    pd.testing.assert_frame_equal(again, made)
    pd.testing.assert_frame_equal(extras.kept(results, store), made)


def test_a_table_of_version_0_1_has_no_checksum_and_is_read(results, figure_folder, tmp_path) -> None:
    (figure_folder / "quickstart.py").write_text(
        "import pandas as pd\ndef extra(results, store, data):\n    return pd.DataFrame({'digit': [1, 2]})\n"
    )
    store = Store(tmp_path / "results", "tiny")
    made = extras.made(results, store)
    [path] = Path(store.path("extras")).iterdir()
    made.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(extras.kept(results, store), made)


def test_a_figure_without_an_extra_table_keeps_nothing(results, figure_folder, tmp_path) -> None:
    (figure_folder / "quickstart.py").write_text("def figure(results): ...\n")
    assert extras.made(results, Store(tmp_path / "results", "tiny")) is None
    assert not (tmp_path / "results").exists()


def test_a_figures_key_is_the_same_when_its_table_was_made_and_when_it_was_kept(
    results, figure_folder, tmp_path
) -> None:
    (figure_folder / "quickstart.py").write_text(
        "import pandas as pd\n"
        "def extra(results, store, data):\n    return pd.DataFrame({'pixels': [[0, 255], [1, 2]]})\n"
    )
    store = Store(tmp_path / "results", "tiny")
    made, kept = extras.made(results, store), extras.kept(results, store)
    assert figures.key(replace(results, extra=made)) == figures.key(replace(results, extra=kept))
    assert figures.key(results) != figures.key(replace(results, extra=kept))
