"""Draw the pictures of the README and of the landing page: four uses of a density.

    python docs/images/draw.py

Tables are those that scikit-learn ships; fits have the defaults, but for the digits, of 24 states.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from sklearn.datasets import load_digits, load_iris

from skpc import SharpPCDensity, SharpPCOutlierDetector

HERE = Path(__file__).parent
COLOURS = {"setosa": "#2a7f9e", "versicolor": "#e09f3e", "virginica": "#9e2a2b"}
SIZE = (4.2, 3.4)  # of one picture, in inches


def iris():
    """Read the flowers as a frame with their species as one more column."""
    data = load_iris(as_frame=True)
    flowers = data.data.rename(columns=lambda name: name.replace(" (cm)", ""))
    flowers["species"] = data.target_names[data.target]
    return flowers


def binary_digits() -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, 64) to learn from and others, ink or no ink."""
    X = (load_digits().data > 7).astype(float)
    return X[:1500], X[1500:]


def draw_density(figure: FigureBase) -> None:
    """The density of two columns, all others summed out, and the rows that it was learnt from."""
    flowers = iris()
    columns = ["petal length", "petal width"]
    types = dict.fromkeys(flowers.columns[:4], "gaussian")  # densities, not masses of tenths
    model = SharpPCDensity(feature_types=types, random_state=0).fit(flowers)
    length, width = np.meshgrid(np.linspace(0.4, 7.4, 160), np.linspace(-0.1, 2.9, 120))
    grid = flowers[columns].iloc[np.zeros(length.size, int)].reset_index(drop=True)
    grid["petal length"], grid["petal width"] = length.ravel(), width.ravel()
    log_density = model.marginal(columns).score_samples(grid).reshape(length.shape)
    axis = figure.subplots()
    axis.contourf(length, width, log_density, np.arange(-9, 2), cmap="Blues", extend="min")
    for name, colour in COLOURS.items():
        rows = flowers[flowers["species"] == name]
        axis.plot(rows[columns[0]], rows[columns[1]], ".", color=colour, markersize=5, label=name)
    axis.legend(loc="upper left", frameon=False, handletextpad=0)
    axis.set(xlabel="petal length, cm", ylabel="petal width, cm")


def draw_anomalies(figure: FigureBase) -> None:
    """Digits that were damaged, and which of their pixels are odd."""
    train, test = binary_digits()
    density = SharpPCDensity(n_latents=24, random_state=0)
    detector = SharpPCOutlierDetector(density, random_state=0).fit(train)
    damaged = test[[4, 12, 15]].reshape(-1, 8, 8).copy()
    damaged[0, 0, 0] = 1
    damaged[1, 3:5, 2:6] = 1 - damaged[1, 3:5, 2:6]
    damaged[2, 6, :2] = 1
    odd = detector.feature_contributions(damaged.reshape(-1, 64)).reshape(-1, 8, 8)
    above, below = figure.subplots(2, 3)
    for axis, digit in zip(above, damaged, strict=True):
        _show(axis, digit, "Greys", 1.4)
    for axis, contribution in zip(below, odd, strict=True):
        _show(axis, contribution, "Reds", 5)
    above[0].set_ylabel("a row")
    below[0].set_ylabel("what is odd in it")


def draw_missing(figure: FigureBase) -> None:
    """Digits without their lower half, and two joint draws of what is missing."""
    train, test = binary_digits()
    model = SharpPCDensity(n_latents=24, random_state=0).fit(train)
    seen = test[[1, 4, 23, 31]].copy()
    seen[:, 32:] = np.nan
    rows = {"seen": seen}
    for seed, name in enumerate(("a draw", "another")):
        rows[name] = model.sample(1, random_state=seed, given=seen)
    axes = figure.subplots(3, 4)
    for line, (name, digits) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name)
        for axis, digit in zip(line, digits.reshape(-1, 8, 8), strict=True):
            _show(axis, digit, "Greys", 1.4)
            axis.set_facecolor("#f3e3c3")  # where nothing is known


def draw_synthetic(figure: FigureBase) -> None:
    """Rows of a table beside as many rows that were drawn."""
    flowers = iris()
    model = SharpPCDensity(random_state=0).fit(flowers)
    tables = {"the table": flowers, "drawn": model.sample(len(flowers), random_state=0)}
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        for name, colour in COLOURS.items():
            rows = table[table["species"] == name]
            axis.plot(rows["sepal length"], rows["petal length"], ".", color=colour, markersize=5)
        axis.set(title=title, xlabel="sepal length, cm")
    axes[0].set_ylabel("petal length, cm")


def _show(axis: Axes, digit: np.ndarray, colours: str, largest: float) -> None:
    axis.imshow(digit, cmap=colours, vmin=0, vmax=largest)
    axis.set(xticks=[], yticks=[])


PICTURES = {
    "density": draw_density,
    "anomalies": draw_anomalies,
    "missing": draw_missing,
    "synthetic": draw_synthetic,
}


def main() -> None:
    """Draw each picture by itself, and all four in a row."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 10})
    for name, draw in PICTURES.items():
        figure = plt.figure(figsize=SIZE, layout="constrained")
        draw(figure)
        figure.savefig(HERE / f"{name}.png", dpi=150)
    figure = plt.figure(figsize=(4 * SIZE[0], SIZE[1] + 0.3), layout="constrained")
    for part, (name, draw) in zip(
        figure.subfigures(1, 4, wspace=0.03), PICTURES.items(), strict=True
    ):
        draw(part)
        title = {"missing": "missing values", "synthetic": "synthetic data"}.get(name, name)
        part.suptitle(title, fontweight="bold", fontsize=13)
    figure.savefig(HERE / "overview.png", dpi=100)


if __name__ == "__main__":
    main()
