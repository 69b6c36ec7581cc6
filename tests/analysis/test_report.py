"""The report: what it holds, and that nobody else's text becomes markup. Another file has the browser."""

import base64
import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dfa_tune.analysis import figures
from dfa_tune.analysis.report import Following, report
from dfa_tune.analysis.report_tables import table
from dfa_tune.errors import UserError
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.problems.digits import DIGEST
from dfa_tune.results.store import Store

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
METADATA = {
    "git_revision": HOSTILE,
    "torch": "2.9.0",
    "device": "cpu: a processor",
    "start": "2026-01-02T03:04:05",
}


class Elements(HTMLParser):
    """Every element with its attributes, in order, and the text outside of script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag) -> None:
        self._inside = ""

    def handle_data(self, data) -> None:
        if self._inside not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def published(tmp_path, space, trained):
    """published(title): the path of a space and of results in which it was run to its end."""

    def publish(title: str = "A sweep") -> tuple[Path, Path]:
        text = space.read_text().replace("BP and DFA on a space for tests", "%TITLE%")
        space.write_text(text.replace("%TITLE%", json.dumps(title)))
        plan = Plan(load_sweep(space), DIGEST)
        rows = trained(plan).rows
        Store(tmp_path / "results", "tiny").publish("pack", rows, METADATA)
        return space, tmp_path / "results"

    return publish


def test_nothing_that_a_stranger_wrote_becomes_markup(published) -> None:
    space, results = published(HOSTILE)
    page = Elements(report(results, spaces=[str(space)]))
    assert len(page.all("script")) == 1  # our own
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert {image["src"][:26] for image in page.all("img")} == {"data:image/svg+xml;base64,"}
    assert page.text.count("<script>alert(1)</script>") >= 3  # title, provenance and settings show it


def test_the_page_asks_the_network_for_nothing(published) -> None:
    space, results = published()
    page = Elements(report(results, spaces=[str(space)]))
    used = [str(v) for _, a in page.elements for k, v in a.items() if k in ("src", "href", "srcset", "data")]
    assert used
    assert not [value for value in used if not value.startswith(("data:", "#"))]
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline'; script" in policy  # styles alone
    assert "script-src 'sha256-" in policy


def test_a_section_has_its_tables_provenance_and_settings(published) -> None:
    space, results = published()
    page = report(results, spaces=[str(space)])
    text = " ".join(Elements(page).text.split())
    for words in (
        "Final test accuracy",
        "bp-sgd",
        "0.873",
        "at the range's edge",
        "2.9.0",
        "2026-01-02T03:04:05",
    ):
        assert words in text
    assert "repetitions: 3" in text  # of the settings


def test_a_spaces_own_claims_are_drawn_small_and_each_in_full(published) -> None:
    space, results = published()
    own = "{id: <i>, claim: BP learns, sum: [{method: bp-sgd}], above: 0.5}"
    space.write_text(space.read_text() + f"claims: [{own}]\n")
    page = Elements(report(results, spaces=[str(space)]))
    (link,) = [a["href"] for a in page.all("a") if str(a.get("href")).startswith("#claim-")]
    assert [figure["id"] for figure in page.all("figure") if "id" in figure] == [str(link)[1:]]
    assert [svg["class"] for svg in page.all("svg") if "class" in svg] == ["holds"] * 2
    assert "Of 1 claim 1 holds." in page.text
    assert "together at most 10%" in " ".join(page.text.split())


def test_a_section_lists_the_claims_about_its_space_and_shows_the_tuning(published) -> None:
    space, results = published()
    own = "{id: a, claim: BP learns, sum: [{method: bp-sgd}], above: 0.5}"
    space.write_text(space.read_text() + f"claims: [{own}]\n")
    page = Elements(report(results, spaces=[str(space)]))
    assert "#row-1-1" in [a.get("href") for a in page.all("a")]
    said = [str(svg.get("aria-label")) for svg in page.all("svg")]
    # At the rate 0.1 DFA has 0.7 + 0.01 an epoch, and the window is of two rows: 0.735
    assert "dfa-sgd: 0.01: 0.635; 0.1: 0.735 (chosen); 1: 0.535" in said
    assert "Every learning rate tried" in page.text


def test_a_page_that_follows_a_run_says_how_far_it_is_and_when_to_load_again(published) -> None:
    space, results = published()
    page = Elements(report(results, spaces=[str(space)], following=Following("3 of 9 trials done", 7)))
    assert page.all("html")[0]["data-reload"] == "7"
    assert "3 of 9 trials done" in page.text
    assert "data-reload" not in Elements(report(results, spaces=[str(space)])).all("html")[0]


def test_a_page_that_follows_a_run_may_have_no_results_yet(space, tmp_path) -> None:
    page = Elements(report(tmp_path, spaces=[str(space)], following=Following("0 of 9 trials done", 5)))
    assert "0 of 9 trials done" in page.text
    assert "Not run: tiny." in page.text


def test_tables_can_be_had_as_csv_with_all_their_digits_and_no_formulas() -> None:
    made = table("t", [{"method": "=1+1", "mean": 1 / 3, "low": None, "edge": True}])
    content = base64.b64decode(made.csv.partition(",")[2]).decode()
    (row,) = csv.DictReader(io.StringIO(content))
    assert row == {"method": "'=1+1", "mean": repr(1 / 3), "low": "", "edge": "True"}
    assert [cell.text for cell in made.rows[0]] == ["=1+1", "0.333", "-", "yes"]


def test_a_saved_figure_is_shown_while_it_fits_and_else_drawn_anew(published, monkeypatch) -> None:
    space, results = published()
    store = Store(results, "tiny")
    figures.write(load_sweep_results(space, results), store)
    first = report(results, spaces=[str(space)])
    drawn: list[str] = []
    original = figures.draw
    monkeypatch.setattr(figures, "draw", lambda *given: drawn.append("x") or original(*given))
    assert report(results, spaces=[str(space)]) == first
    assert not drawn
    space.write_text(space.read_text().replace("A sweep", "Another title"))
    report(results, spaces=[str(space)])
    assert drawn == ["x"]


def test_no_results_at_all_are_an_error_that_says_what_to_run(tmp_path) -> None:
    with pytest.raises(UserError, match=r"no results of fig_3_1 in .*dfa-tune run fig_3_1$"):
        report(tmp_path, spaces=["fig_3_1"])
    with pytest.raises(UserError, match=r"dfa-tune run quickstart$"):
        report(tmp_path)
