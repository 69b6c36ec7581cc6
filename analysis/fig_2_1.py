"""Figure 2.1: networks and lazy methods, test accuracy by epoch for each k (thesis section 2.1).

Draw it with `dfa-tune plot fig_2_1`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfa_tune.analysis import figures, layout, panels, styles
from dfa_tune.planning.sweep_results import SweepResults
from dfa_tune.problems.datasets import data_folder, load_images, missing_files
from dfa_tune.results.store import Store

EXAMPLES = 5  # tuples shown, of as many digits as the largest k


def extra(results: SweepResults, store: Store, data: str | Path | None) -> pd.DataFrame | None:
    """Some test images and their digits, so that the figure shows what is learnt; None without the data."""
    name = results.sweep.dataset
    if name is None or missing_files(name, data_folder(data)):
        return None
    images = load_images(name, data)[1]
    count = EXAMPLES * max(point.problem.k for point in results.sweep.points)
    pixels = [image.ravel().tolist() for image in images.pixels[:count]]
    return pd.DataFrame({"digit": images.labels[:count], "pixels": pixels, "width": images.pixels.shape[2]})


def figure(results: SweepResults) -> Figure:
    """Examples of tuples, then a panel for each k with the same scale."""
    if set(results.axis_names) - {"k"}:  # more lists were given with --set
        return figures.default(results)
    repeats = results.repeat_rows
    digits = sorted({point.problem.k for point in results.sweep.points})
    drawing, (data, *axes) = layout.canvas(1 + len(digits), results)
    show(data, results.extra, digits[-1])
    for ax, k in zip(axes, digits, strict=True):
        part = repeats[repeats["k"] == k] if "k" in results.axis_names else repeats
        panels.by_epoch(ax, results, part)
        ax.set_title(f"k = {k}", fontsize=10)
    layout.same_scale(axes)
    return layout.finish(drawing, results)


def show(ax: Axes, examples: pd.DataFrame | None, k: int) -> None:
    """Tuples of k digits below each other, the label of each beside it."""
    ax.set_title(f"The data: is the sum of {k} digits odd?", fontsize=10)
    if examples is None:
        return panels.say_empty(ax, "the images are not on this machine")
    width = int(examples["width"].iloc[0])
    images = np.array(examples["pixels"].tolist(), dtype=np.uint8).reshape(len(examples), -1, width)
    for line in range(len(examples) // k):
        part = slice(line * k, (line + 1) * k)
        top = -1.25 * line
        ax.imshow(np.hstack(list(images[part])), cmap="gray_r", extent=(0, k, top, top + 1))
        digits = examples["digit"].iloc[part].tolist()
        total = sum(digits)
        words = f"{' + '.join(map(str, digits))} = {total}: {'odd' if total % 2 else 'even'}"
        ax.text(k + 0.15, top + 0.5, words, va="center", fontsize=styles.SMALL)
    ax.set(xlim=(0, k + 3.2), ylim=(-1.25 * (len(examples) // k - 1) - 0.2, 1.2))
    ax.axis("off")
    return None
