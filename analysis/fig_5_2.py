"""Figure 5.2: what networks that learnt the parity of three digits make of one digit (thesis chapter 5).

It has a t-SNE picture, as in the thesis. A picture is not a measurement, so it also shows how often a linear
probe reads the digit from the same representation, from that of an untrained network, and from the pixels.
The first time it takes minutes and needs the weights and the data; then the table is kept with the results.

Draw it with `dfa-tune plot fig_5_2`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from safetensors.numpy import load

from dfa_tune.analysis import captions, layout, panels, styles
from dfa_tune.analysis.statistics import t_interval
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.planning.trial import Trial
from dfa_tune.problems.datasets import data_folder, load_images, missing_files
from dfa_tune.problems.images import Images
from dfa_tune.results.store import Store

from . import representation

SHOWN = 2500  # test tuples: with k = 3 they are the thesis' 7,500 digits; pictured, and probed on
FITTED = 5000  # training tuples that a probe is fitted to
Table = pd.DataFrame
TENS = [*styles.COLOURS, "#999999", "#882255", "#44AA99"]  # a colour for each digit
LAYERS = {"pixels": "#000000", "before ReLU": styles.COLOURS[0], "after ReLU": styles.COLOURS[1]}


def extra(results: SweepResults, store: Store, data: str | Path | None) -> Table | None:
    """Rows of the picture (method, digit, x, y) and of the probes (representation, layer, seed, accuracy).

    `representation` is the method of the network, "untrained" or "pixels". None until each method has its
    least number of repetitions, or if their weights or the data are not here.
    """
    known, dataset = results.scores, results.sweep.dataset
    trials = [trial for cell in results.plan.cells for trial in cell.repeat_trials(known) or []]
    done = [trial for trial in trials if trial.id in known]
    wanted = len(results.plan.cells) * results.sweep.repetitions.min
    if len(done) < wanted or dataset is None or missing_files(dataset, data_folder(data)):
        return None
    parts: list[Table] = []
    seen: set[str | int] = set()
    for trial in done:
        content = store.read_weights(trial.id)
        if content is None:
            return None
        parts += looked_at(trial, load(content)["hidden.0.weight"], Digits(trial, data), seen)
    return pd.concat(parts, ignore_index=True)


class Digits:
    """Digits of a trial's data set as its network sees them, normalised: (N, k, pixels) and (N, k)."""

    def __init__(self, trial: Trial, data: str | Path | None) -> None:
        train, test = load_images(str(trial.problem.dataset), data)
        self.k, self.shape = trial.problem.k, train.pixels.shape[1:]
        self._mean, self._std = train.pixels.mean(), train.pixels.std()
        rng = np.random.default_rng(trial.seed)
        self.train, self.train_digits = self._tuples(train, FITTED, rng)
        self.test, self.test_digits = self._tuples(test, SHOWN, rng)

    def _tuples(self, images: Images, most: int, rng: np.random.Generator) -> tuple[Any, Any]:
        count = min(most, len(images.labels) // self.k)
        chosen = rng.permutation(len(images.labels))[: count * self.k].reshape(count, self.k)
        pixels = (images.pixels[chosen].astype(np.float32) - self._mean) / self._std
        return pixels.reshape(count, self.k, -1), images.labels[chosen]


def looked_at(trial: Trial, weight: Any, digits: Digits, seen: set[str | int]) -> list[Table]:
    """What is measured of one network, and, once for each seed, of the untrained one and of the pixels."""
    method, seed = trial.method.name, trial.seed
    parts = [probes(method, seed, weight, digits)]
    if method not in seen:  # the picture is the first repetition's
        parts.append(picture(method, weight, digits))
    if seed not in seen:
        start = representation.initial_weight(seed, *weight.shape)
        accuracy = representation.probe_positions(
            digits.train, digits.train_digits, digits.test, digits.test_digits
        )
        pixels = {"representation": "pixels", "layer": "pixels", "seed": seed, "accuracy": accuracy}
        parts += [probes("untrained", seed, start, digits), pd.DataFrame([pixels])]
    seen.update((method, seed))
    return parts


def probes(name: str, seed: int, weight: Any, digits: Digits) -> Table:
    """How well the digit is read from the hidden layer, before and after its ReLU."""
    own = representation.blocks(weight, digits.k, digits.shape)
    train, test = (representation.represent(part, own) for part in (digits.train, digits.test))
    layers = {"before ReLU": (train, test), "after ReLU": (np.maximum(train, 0), np.maximum(test, 0))}
    found = [
        {
            "representation": name,
            "layer": layer,
            "seed": seed,
            "accuracy": representation.probe_positions(
                fitted, digits.train_digits, measured, digits.test_digits
            ),
        }
        for layer, (fitted, measured) in layers.items()
    ]
    return pd.DataFrame(found)


def picture(method: str, weight: Any, digits: Digits) -> Table:
    """The place of each test digit's representation in the t-SNE picture."""
    own = representation.blocks(weight, digits.k, digits.shape)
    hidden = representation.represent(digits.test, own)
    placed = representation.embed(hidden.reshape(-1, hidden.shape[-1]))
    return pd.DataFrame(
        {"method": method, "digit": digits.test_digits.ravel(), "x": placed[:, 0], "y": placed[:, 1]}
    )


def figure(results: SweepResults) -> Figure:
    """Each method's picture by digit and by parity, then the probes."""
    looked = results.extra
    methods = list(dict.fromkeys(cell.method.name for cell in results.plan.cells))
    # Two pictures per row; the probes are beside the first two
    drawing, axes = layout.canvas(3 * len(methods), results)
    for line, method in enumerate(methods):
        by_digit, by_parity, third = axes[3 * line : 3 * line + 3]
        scatter(by_digit, method, looked, "digit")
        scatter(by_parity, method, looked, "parity")
        if line:
            third.remove()
        else:
            bar_panel(third, methods, looked)
    shown = 0 if looked is None else int((looked["method"] == methods[0]).sum())
    note = (
        f"t-SNE of {shown:,} single test digits, each multiplied by the block of the first layer's weights"
        " that belongs to its position in the tuple. Each position has its own probe."
    )
    return layout.caption_below(drawing, f"{captions.caption(results)} {note}")


def scatter(ax: Axes, method: str, looked: Table | None, by: str) -> None:
    """One picture; digits are marked by themselves, parities by colour and shape."""
    ax.set_title(f"{method}, by {by}", fontsize=10)
    if looked is None:
        return panels.say_empty(ax, "no weights to look at yet")
    part = looked[looked["method"] == method]
    digit = part["digit"].astype(int)
    groups = digit % 2 if by == "parity" else digit
    shades = [styles.COLOURS[0], styles.COLOURS[1]] if by == "parity" else TENS
    for value in sorted(groups.unique()):
        points = part[groups == value]
        label = ("even", "odd")[value] if by == "parity" else str(value)
        marker = "o^"[value] if by == "parity" else f"${value}$"
        size = 3 if by == "parity" else 9
        ax.scatter(
            points["x"],
            points["y"],
            s=size,
            color=shades[value],
            marker=marker,
            linewidths=0,
            label=label,
            rasterized=True,
        )
    ax.legend(fontsize=6, ncols=5, loc="upper center", markerscale=2, handletextpad=0.1, columnspacing=0.8)
    ax.margins(y=0.16)
    ax.set_xticks([])
    ax.set_yticks([])
    return None


def bar_panel(ax: Axes, methods: list[str], looked: Table | None) -> None:
    """The probes' accuracy with its 95% interval over the seeds."""
    ax.set_title("A linear probe for the digit", fontsize=10)
    if looked is None:
        return panels.say_empty(ax, "no weights to look at yet")
    found = looked[looked["accuracy"].notna()]
    names = ["pixels", "untrained", *methods]
    for layer, marker, aside in [("pixels", "D", 0), ("before ReLU", "o", -0.12), ("after ReLU", "s", 0.12)]:
        part = found[found["layer"] == layer].groupby("representation")["accuracy"]
        points = {name: t_interval(part.get_group(name).to_numpy()) for name in names if name in part.groups}
        places = [names.index(name) + aside for name in points]
        half = [np.nan if i.high is None else i.high - i.mean for i in points.values()]
        means = [interval.mean for interval in points.values()]
        ax.errorbar(means, places, xerr=half, fmt=marker, ms=5, capsize=3, label=layer, color=LAYERS[layer])
    ax.set_yticks(range(len(names)), names, fontsize=styles.SMALL)
    ax.invert_yaxis()
    ax.axvline(0.1, color="0.55", linewidth=0.8)
    ax.set_xlabel("accuracy for the digit (line: chance, 0.1)")
    ax.legend(fontsize=styles.SMALL, loc="best")
    ax.grid(axis="x", color="0.92", linewidth=0.6)
    return None
