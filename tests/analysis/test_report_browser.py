"""The report in headless Chromium, driven by clicks and keys.

Run it with `uv run --group external pytest -m external`; Chromium is the machine's own (Debian's package
`chromium`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfa_tune.analysis import figures
from dfa_tune.analysis.report import Following, report
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.planning.sweep_results import load_sweep_results
from dfa_tune.problems.digits import DIGEST
from dfa_tune.results.store import Store

pytestmark = pytest.mark.external

SPACE = """
name: tiny
title: A space for the browser
problem: {kind: parity, dataset: digits, k: [1, 3], train_samples: 100, test_samples: 50}
training: {epochs: 4, batch_size: 50}
methods: [{rule: [bp, dfa], optimizer: [sgd, adam]}]
learning_rates: {sgd: [0.01, 0.1, 1.0], adam: [0.01, 0.1, 1.0]}
tuning: {window: 2}
repetitions: 6
claims:
  - {id: bp_learns, claim: BP learns, sum: [{method: bp-sgd, at: {k: 3}}], above: 0.2}
  - id: dfa_behind
    claim: DFA is behind BP
    sum: [{method: bp-sgd, at: {k: 3}}, {method: dfa-sgd, at: {k: 3}, weight: -1}]
    above: 0.099
  - {id: bp_perfect, claim: BP is perfect, sum: [{method: bp-sgd, at: {k: 3}}], above: 0.99}
"""
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, trained: Any) -> Write:
    """write(following): the report of one space, anew; returns its file."""
    folder = tmp_path_factory.mktemp("report")
    space = folder / "tiny.yaml"
    space.write_text(SPACE)
    results = trained(Plan(load_sweep(space), DIGEST))
    store = Store(folder, "tiny")
    store.publish("pack", results.rows, {"torch": "2.9.0"})
    figures.write(load_sweep_results(space, folder), store)  # once: the reports show what is saved

    def _write(following: Following | None = None, name: str = "report.html") -> Path:
        (folder / name).write_text(report(folder, spaces=[str(space)], following=following))
        return folder / name

    return _write


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    driver = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium on this machine; Debian: apt-get install chromium")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--disable-gpu", *quiet])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any, write: Write) -> Iterator[Callable[..., Any]]:
    """open_page(file, **options of a context): a page; its errors and requests to a network fail the test."""
    found: list[str] = []
    contexts = []

    def _open(file: Path | None = None, **options: Any) -> Any:
        contexts.append(chromium.new_context(**({"viewport": {"width": 1280, "height": 900}} | options)))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:")) else found.append(request.url),
        )
        page.goto((file or write()).as_uri())
        return page

    yield _open
    for context in contexts:
        context.close()
    assert found == []


def column(table: Any, number: int) -> list[str]:
    """The texts of a column in the rows that can be seen."""
    rows = table.locator("tbody tr:visible")
    return [rows.nth(at).locator("td").nth(number).inner_text() for at in range(rows.count())]


def accuracies(page: Any) -> Any:
    """The table of final accuracies, in its box with the filter."""
    return page.locator("[data-filter]", has_text="Final test accuracy")


def background(page: Any) -> str:
    """The colour of the paper."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_click_on_a_heading_sorts_and_another_one_turns_the_order(open_page) -> None:
    table = accuracies(open_page())
    heading = table.get_by_role("button", name="mean accuracy")
    heading.click()
    up = [float(text) for text in column(table, 6)]
    assert up == sorted(up)
    assert up[0] < up[-1]
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("mean accuracy")
    heading.click()
    assert [float(text) for text in column(table, 6)] == up[::-1]


def test_words_filter_the_rows_of_a_table_and_say_how_many_are_left(open_page) -> None:
    table = accuracies(open_page())
    assert len(column(table, 0)) == 8
    table.get_by_role("searchbox").fill("DFA adam")
    assert column(table, 0) == ["dfa-adam", "dfa-adam"]
    assert table.locator("output").inner_text() == "2 of 8"
    table.get_by_role("searchbox").fill("")
    assert len(column(table, 0)) == 8


def test_verdicts_filter_the_claims_and_their_pictures(open_page) -> None:
    page = open_page()
    claims = page.locator("#claims")
    assert claims.locator(".pictures a:visible").count() == 3
    # About 0.87, and always 0.1 above DFA
    claims.get_by_role("button", name="does not hold (1)").click(timeout=5000)
    assert column(claims.locator("table"), 5) == ["does not hold"]
    assert claims.locator(".pictures a:visible").count() == 1
    claims.get_by_role("button", name="holds (2)", exact=True).click(timeout=5000)
    assert sorted(column(claims.locator("table"), 5)) == ["does not hold", "holds", "holds"]
    claims.get_by_role("button", name="does not hold (1)").click()
    assert column(claims.locator("table"), 5) == ["holds", "holds"]


def test_a_click_shows_a_claim_in_full_and_keys_go_on_and_close_it(open_page) -> None:
    page = open_page()
    page.locator(".pictures a").first.click()
    assert page.locator("figure.full:visible figcaption").inner_text().startswith("BP learns: holds")
    page.keyboard.press("ArrowRight")
    assert page.locator("figure.full:visible").count() == 1
    assert page.locator("figure.full:visible figcaption").inner_text().startswith("DFA is behind BP")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("figure.full:visible figcaption").inner_text().startswith("BP is perfect")
    page.keyboard.press("Escape")
    assert page.locator("figure.full:visible").count() == 0


def test_a_claim_of_a_section_leads_to_its_row(open_page) -> None:
    page = open_page()
    page.locator(".own").get_by_role("link", name="DFA is behind BP").click()
    assert page.locator("tr:target td").first.inner_text().startswith("DFA is behind BP")


def test_everything_can_be_done_with_the_keyboard(open_page) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # it can be seen while it has the focus
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("perfect")
    claims = page.locator("#claims table")
    assert column(claims, 0)[0].startswith("BP is perfect")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    claims.get_by_role("button", name="measured").focus()
    page.keyboard.press("Enter")
    assert claims.locator("th[aria-sort=ascending]").inner_text() == "measured"
    page.locator("summary", has_text="Tuning:").focus()
    page.keyboard.press("Enter")
    assert page.locator(".curves figure:visible").count() == 8
    # Whatever takes the focus shows it
    outlines = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, summary")].filter((e) => e.offsetParent)
        .filter((e) => { e.focus(); return getComputedStyle(e).outlineStyle === "none"; }).length"""
    )
    assert outlines == 0


def test_the_theme_is_the_systems_until_another_one_is_chosen_which_is_remembered(open_page) -> None:
    page = open_page(color_scheme="dark")
    dark = background(page)
    theme = page.get_by_role("button", name="Theme")
    theme.click()
    light = background(page)
    assert (theme.inner_text(), light) == ("Theme: light", "rgb(255, 255, 255)")
    assert dark != light
    page.reload()
    assert (theme.inner_text(), background(page)) == ("Theme: light", light)
    theme.click()
    page.emulate_media(color_scheme="light")
    assert (theme.inner_text(), background(page)) == ("Theme: dark", dark)


def test_on_a_phone_nothing_but_tables_scrolls_sideways(open_page) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for part in page.locator("summary").all():
        part.tap()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.locator("img").first.evaluate("image => image.naturalWidth") > 300
    assert page.locator("#claims td").first.evaluate("cell => getComputedStyle(cell).display") == "block"


def test_in_print_it_is_light_without_controls_and_shows_what_is_folded(open_page) -> None:
    page = open_page(color_scheme="dark")
    page.evaluate(
        """() => addEventListener("beforeprint", () => {
        window.open_in_print = document.querySelectorAll("details[open]").length; })"""
    )
    content = page.pdf()
    assert content.startswith(b"%PDF")
    details = page.locator("details").count()
    assert page.evaluate("window.open_in_print") == details > 0
    assert page.locator("details[open]").count() == 0
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    for hidden in ("nav", ".bar", ".tools >> nth=0", ".csv >> nth=0"):
        assert not page.locator(hidden).is_visible()


def test_a_page_that_follows_a_run_shows_what_is_new_and_keeps_what_the_reader_has_done(
    open_page, write
) -> None:
    file = write(Following("1 of 9 trials done", 1), "followed.html")
    page = open_page(file)
    table = accuracies(page)
    table.get_by_role("searchbox").fill("dfa")
    table.get_by_role("button", name="mean accuracy").click()
    page.locator("summary", has_text="Provenance").click()
    order = column(table, 6)
    write(Following("5 of 9 trials done", 1), "followed.html")
    page.get_by_text("5 of 9 trials done").wait_for(timeout=10_000)
    assert column(table, 6) == order
    assert table.locator("output").inner_text() == "4 of 8"
    assert table.locator("th[aria-sort=ascending]").count() == 1
    assert page.locator("details[open]").count() == 1

    follow = page.get_by_role("button", name="Following")
    follow.click()
    write(Following("8 of 9 trials done", 1), "followed.html")
    page.wait_for_timeout(1500)
    assert page.get_by_text("5 of 9 trials done").is_visible()  # paused
    page.get_by_role("button", name="Paused").click()
    page.get_by_text("8 of 9 trials done").wait_for(timeout=10_000)
    write(None, "followed.html")
    page.locator("#said").wait_for(state="detached", timeout=10_000)
    assert page.locator("html[data-reload]").count() == 0
