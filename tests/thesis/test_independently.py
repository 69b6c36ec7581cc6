"""The tables of docs/RESULTS.md, computed again from the Parquet files with pandas and SciPy alone.

Nothing of the library takes part: the claims are read as YAML, and the formulas are those of docs/CLAIMS.md
and of the papers. Every number must agree to the last digit that the page shows.
"""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import integrate, stats

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "RESULTS.md").read_text()
CLAIMS = yaml.safe_load((ROOT / "analysis" / "claims.yaml").read_text())
ALPHA, G = 0.05, 9.0
LABEL = re.compile(r"^(?P<claim>.*?)(?: \((?P<part>[^()]* = .*)\))?<br>")


def block(what: str) -> list[list[str]]:
    """The cells of the table that the page has between `begin: what` and `end`; empty where it has none."""
    found = re.search(rf"<!-- begin: {re.escape(what)} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    lines = found[1].splitlines() if found else []
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")
    ][2:]


def shown(value: float) -> str:
    if 0 < abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


@cache
def rows(space: str) -> pd.DataFrame:
    """All epochs of all trials of a space, once each; of its newest numerics."""
    files = sorted((ROOT / "docs" / "results" / space / "epochs").glob("*.parquet"))
    read = pd.concat([pd.read_parquet(file) for file in files]).drop_duplicates(["trial_id", "epoch"])
    if "repetition" not in read:
        pytest.skip(f"{space} was trained with earlier numerics, whose files do not number repetitions")
    return read[read["numerics"] == read["numerics"].max()].sort_values(["trial_id", "epoch"])


def rate(space: str, method: str, at: dict[str, Any]) -> float:
    """The learning rate with the highest mean of the last ten test accuracies, over the tuning's seeds."""
    tuned = rows(space)
    tuned = tuned[(tuned["stage"] == "tune") & (tuned["method"] == method)]
    if "d" in at and tuned["d"].nunique() > 1:  # tuned at each d
        tuned = tuned[tuned["d"] == at["d"]]
    if tuned.empty:  # given
        return float(rows(space).loc[rows(space)["method"] == method, "learning_rate"].iloc[0])
    diverged = tuned.groupby("trial_id")["diverged"].transform("any")
    last = tuned.groupby(["learning_rate", "seed"])["test_accuracy"].apply(lambda one: one.iloc[-10:].mean())
    whole = last.mask(~np.isfinite(last)).groupby(level=0).mean()
    exploded = tuned.loc[diverged, "learning_rate"].unique()
    return float(whole.drop(exploded, errors="ignore").idxmax())


@cache
def repeated(space: str, method: str, axes: tuple[tuple[str, Any], ...]) -> pd.DataFrame:
    """The rows of a method's repetitions at the rate that was chosen for it."""
    part, at = rows(space), dict(axes)
    part = part[(part["stage"] == "repeat") & (part["method"] == method)]
    for name, value in at.items():
        part = part[part[name] == value]
    return part[np.isclose(part["learning_rate"], rate(space, method, at), rtol=1e-9)]


def finals(part: pd.DataFrame) -> pd.Series:
    """The last finite test accuracy by repetition."""
    return part.dropna(subset=["test_accuracy"]).groupby("repetition")["test_accuracy"].last()


SUMMARIES = re.findall(r"<!-- begin: summary (\S+) -->", PAGE)


@pytest.mark.parametrize("space", SUMMARIES)
def test_final_accuracies_and_rates(space: str) -> None:
    table = block(f"summary {space}")
    if not table:
        pytest.skip("not run yet")
    if not (rows(space)["stage"] == "repeat").any():
        pytest.skip(f"{space} is being trained again: the page shows what earlier numerics gave")
    header = re.search(rf"begin: summary {space} -->\n\| (.*) \|\n", PAGE)
    assert header is not None
    axes = header[1].split(" | ")[1 : -len(["rate", "n", "final", "interval"])]
    for method, *given, chosen, n, mean, interval in table:
        at = {name.removeprefix("problem."): int(value) for name, value in zip(axes, given, strict=True)}
        values = finals(repeated(space, method, tuple(at.items())))
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        computed = [f"{rate(space, method, at):.3g}", str(len(values)), shown(values.mean())]
        assert [chosen.rstrip("*"), n, mean] == computed, (method, given)
        assert interval == f"{low:.3f} to {high:.3f}", (method, given)


# -- claims -------------------------------------------------------------------------------------


def combinations(claim: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The sums that a claim is about, by the label that names each of them."""
    names = list(claim.get("for_each", {}))
    for values in itertools.product(*claim.get("for_each", {}).values()):
        chosen = dict(zip(names, values, strict=True))

        def put(value: Any, chosen: dict[str, Any] = chosen) -> Any:
            if isinstance(value, dict):
                return {key: put(one) for key, one in value.items()}
            if not isinstance(value, str):
                return value
            whole = re.fullmatch(r"\{(\w+)\}", value)
            return chosen[whole[1]] if whole else value.format(**chosen)

        label = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        yield label, [{key: put(value) for key, value in term.items()} for term in claim["sum"]]


def term_values(space: str, term: dict[str, Any]) -> pd.Series:
    """A term's number for each repetition, without its weight."""
    if "probe" in term:
        (file,) = (ROOT / "docs" / "results" / space / "extras").glob("*.parquet")
        extra = pd.read_parquet(file)
        part = extra[(extra["representation"] == term["probe"]) & (extra["layer"] == term["layer"])]
        order = rows(space).drop_duplicates("seed").set_index("seed")["repetition"]
        return part.set_index(part["seed"].map(order))["accuracy"]
    part = repeated(space, term["method"], tuple(sorted(term.get("at", {}).items())))
    value = term.get("value", "test_accuracy")
    groups = part.groupby("repetition")
    if "correlate" in term:
        return groups.apply(lambda one: stats.spearmanr(one[value], one[term["correlate"]]).statistic)
    if "slope" in term:
        axis = term["slope"]
        last = part.groupby(["repetition", axis])[value].last().unstack()
        x = np.log2(last.columns.to_numpy(float)) if axis == "n" else last.columns.to_numpy(float)
        whole = last.dropna()
        return pd.Series([stats.linregress(x, one).slope for one in whole.to_numpy()], whole.index)
    if "first" in term:
        return groups[value].apply(lambda one: one.iloc[: term["first"]].mean())
    if "last" in term:
        return groups[value].apply(lambda one: one.iloc[-term["last"] :].mean())
    return finals(part) if value == "test_accuracy" else groups[value].last()


def leading(series: list[pd.Series]) -> int:
    """How many repetitions from the first on are in each."""
    return next(n for n in itertools.count() if not all(n + 1 in one.index for one in series))


def samples(claim: dict[str, Any]) -> dict[str, np.ndarray]:
    """The values of each combination, for the repetitions that all of them have."""
    parts = {
        label: [
            (term_values(term.get("space", claim["space"]), term), term.get("weight", 1)) for term in terms
        ]
        for label, terms in combinations(claim)
    }
    n = leading([values for part in parts.values() for values, _ in part])
    order = range(1, n + 1)
    return {
        label: np.sum([weight * values.loc[list(order)].to_numpy() for values, weight in part], axis=0)
        for label, part in parts.items()
    }


def running_p(x: np.ndarray) -> float:
    """The p-value that the mean is above 0, the smallest after any number of values."""
    smallest = 1.0
    for m in range(2, len(x) + 1):
        with warnings.catch_warnings():  # of two probes that read as many digits: t is huge, and E bounded
            warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
            t, nu, prior = stats.ttest_1samp(x[:m], 0).statistic, m - 1, 1 + m * G
        if t > 0:
            log_e = m / 2 * (math.log1p(t**2 / nu) - math.log1p(t**2 / (nu * prior))) - math.log(prior) / 2
            if math.log(2) + log_e > 0:
                smallest = min(smallest, 1 / (2 * math.exp(min(log_e, 700)) - 1))
    return smallest


def sequence(x: np.ndarray) -> tuple[float, float]:
    """The confidence sequence of the mean, intersected."""
    low, high = -math.inf, math.inf
    for n in range(2, len(x) + 1):
        k, prior = ((1 + n * G) / (2 * ALPHA / (1 + ALPHA)) ** 2) ** (1 / n), 1 + n * G
        if k < prior:
            half = stats.sem(x[:n]) * math.sqrt((n - 1) * (k - 1) / (1 - k / prior))
            low, high = max(low, x[:n].mean() - half), min(high, x[:n].mean() + half)
    return low, high


def both_p(claim: dict[str, Any], x: np.ndarray) -> tuple[float, float]:
    """The p-values that one combination is as claimed, and that it is not."""
    if "near" in claim:
        low, high = claim["near"] - claim["within"], claim["near"] + claim["within"]
        inside = max(running_p(x - low), running_p(high - x))
        return inside, min(1.0, 2 * min(running_p(low - x), running_p(x - high)))
    if "above" in claim:
        return running_p(x - claim["above"]), running_p(claim["above"] - x)
    return running_p(claim["below"] - x), running_p(x - claim["below"])


def rare(seen: np.ndarray, share: float = 0.1) -> float:
    """The p-value that something happens in less than this share of repetitions."""
    smallest = 1.0
    for n in range(1, len(seen) + 1):
        k = int(seen[:n].sum())
        mixture, _ = integrate.quad(lambda p, k=k, n=n: p**k * (1 - p) ** (n - k), 0, share)
        smallest = min(smallest, share * share**k * (1 - share) ** (n - k) / mixture)
    return smallest


def spreads(space: str, methods: list[str], n: int) -> np.ndarray:
    """The mean over methods of log |difference| of consecutive pairs of repetitions."""
    smallest = 0.5 / rows(space)["final_test_samples"].max()
    logs = []
    for method in methods:
        values = finals(repeated(space, method, ())).loc[list(range(1, n + 1))].to_numpy()
        pairs = values[: n // 2 * 2].reshape(-1, 2)
        logs.append(np.log(np.maximum(np.abs(pairs[:, 0] - pairs[:, 1]), smallest)))
    return np.mean(logs, axis=0)


@cache
def judged(text: str) -> dict[str, Any]:
    """What the claim with this text measures, with its p-values before Holm's correction."""
    (claim,) = [one for one in CLAIMS if one["claim"] == text]
    kind = claim.get("kind", "mean")
    if kind == "rates":
        rates = {method: rate(claim["space"], method, {}) for method in claim["methods"]}
        ratio = max(rates.values()) / min(rates.values())
        return {"measured": {ratio}, "n": 1, "p": None, "holds": ratio >= claim["ratio"]}
    if kind == "spread":
        methods = claim["of"] + claim["over"]
        n = leading([finals(repeated(claim["space"], method, ())) for method in methods])
        x = spreads(claim["space"], claim["of"], n) - spreads(claim["space"], claim["over"], n)
        return {"measured": {math.exp(x.mean())}, "n": n // 2 * 2, "p": (running_p(x), running_p(-x))}
    parts = samples(claim)
    n = min(map(len, parts.values()))
    if kind == "some":
        seen = np.any([x > claim["above"] for x in parts.values()], axis=0)
        return {"measured": {seen.mean()}, "n": n, "p": (0.0 if seen.any() else 1.0, rare(seen))}
    each = {label: both_p(claim, x) for label, x in parts.items()}
    p = (
        max(holds for holds, _ in each.values()),
        min(1.0, len(each) * min(fails for _, fails in each.values())),
    )
    return {"parts": parts, "n": n, "p": p}


def adjusted(p: list[float]) -> list[float]:
    """Holm's correction over all claims; those that are not run count with 1."""
    order, so_far, found = sorted(range(len(p)), key=p.__getitem__), 0.0, [0.0] * len(p)
    for rank, index in enumerate(order):
        so_far = max(so_far, min(1.0, (len(CLAIMS) - rank) * p[index]))
        found[index] = so_far
    return found


RUN = [cells for cells in block("claims") if "not run" not in cells[-1]]


def named(cells: list[str]) -> tuple[str, str]:
    """The text of the claim, and the combination that the page shows."""
    text = cells[0].partition("<br>")[0]
    claim = max((one["claim"] for one in CLAIMS if text.startswith(one["claim"])), key=len)
    return claim, text.removeprefix(claim).strip()[1:-1]


@pytest.mark.parametrize("cells", RUN, ids=lambda cells: named(cells)[0][:60])
def test_what_a_claim_measures(cells: list[str]) -> None:
    text, part = named(cells)
    found = judged(text)
    assert int(cells[3].partition(" ")[0]) == found["n"]
    measured = cells[2].partition(" (")
    if "parts" not in found:
        assert {measured[0]} == {shown(value) for value in found["measured"]}
        return
    x = found["parts"][part]
    assert measured[0] == shown(x.mean())
    low, high = sequence(x)
    assert measured[2] == ("" if math.isinf(high) else f"{shown(low)} to {shown(high)})")


def test_the_verdicts() -> None:
    tested = [cells for cells in RUN if judged(named(cells)[0])["p"] is not None]
    holds, fails = (adjusted([judged(named(cells)[0])["p"][side] for cells in tested]) for side in (0, 1))
    for cells, p_holds, p_fails in zip(tested, holds, fails, strict=True):
        verdict = "holds" if p_holds <= ALPHA else "does not hold" if p_fails <= ALPHA else "undecided"
        assert cells[-1] == f"**{verdict}**", named(cells)[0]
    for cells in RUN:
        if (found := judged(named(cells)[0]))["p"] is None:
            assert cells[-1] == ("**holds**" if found["holds"] else "**does not hold**")
