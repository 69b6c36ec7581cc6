"""The files that figures are saved in."""

from dataclasses import replace
from pathlib import Path

from dfa_tune.analysis import figures
from dfa_tune.results.store import Store


def test_a_figure_is_saved_as_png_and_svg(plan, trained, tmp_path) -> None:
    figure = figures.draw(trained(plan()))
    png, svg = map(Path, figures.save(figure, tmp_path / "new" / "folder"))
    assert (png.name, svg.name) == ("tiny.png", "tiny.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()


def test_a_store_keeps_figures_in_its_own_folder(plan, trained, tmp_path) -> None:
    figure = figures.draw(trained(plan()))
    assert figures.save(figure, Store(tmp_path, "tiny")) == [
        str(tmp_path / "tiny" / "figures" / f"tiny.{suffix}") for suffix in ("png", "svg")
    ]


def test_the_same_rows_give_the_same_bytes(plan, trained, tmp_path) -> None:
    first, second = (figures.save(figures.draw(trained(plan())), tmp_path / name) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()


def test_writing_a_sweep_saves_its_figure_and_the_rates_tried(plan, trained, tmp_path) -> None:
    paths = figures.write(trained(plan()), Store(tmp_path, "tiny"))
    names = [f"tiny{part}.{suffix}" for part in ("", "-rates", "-budget") for suffix in ("png", "svg")]
    assert [Path(path).name for path in paths] == names
    assert all(Path(path).stat().st_size > 1000 for path in paths)


def test_a_sweep_that_tunes_nothing_has_no_figure_of_rates(plan, trained, tmp_path) -> None:
    paths = figures.write(trained(plan("learning_rates.sgd=0.1")), Store(tmp_path, "tiny"))
    assert [Path(path).name for path in paths] == ["tiny.png", "tiny.svg"]


def test_the_key_of_a_figure_changes_with_what_it_shows(plan, trained) -> None:
    results = trained(plan())
    assert figures.key(results) == figures.key(trained(plan()))
    others = [trained(plan(), rounds=1), trained(plan("title=Another")), trained(plan("tuning.window=1"))]
    assert len({figures.key(one) for one in (results, *others)}) == 4


def test_the_key_of_a_figure_changes_with_one_number_of_one_layer(plan, trained) -> None:
    results = trained(plan())
    rows = results.rows.assign(gradient_alignment_by_layer=[[0.1, None]] * len(results.rows))
    assert figures.key(replace(results, rows=rows)) == figures.key(replace(results, rows=rows.copy()))
    others = [rows.copy() for _ in range(3)]
    others[0].at[2, "gradient_alignment_by_layer"] = [0.1 + 1e-12, None]
    others[1].at[2, "gradient_alignment_by_layer"] = [0.1]
    others[2].at[2, "gradient_alignment_by_layer"] = [None, 0.1]
    assert len({figures.key(replace(results, rows=one)) for one in (rows, *others)}) == 4
