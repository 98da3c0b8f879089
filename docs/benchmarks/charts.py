"""Charts of the main tables of RESULTS.md, whose numbers they read.

    python docs/benchmarks/charts.py

Run it after a table was written anew: the pictures are kept beside the document, as they are shown
where nothing is built.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from markdown import read_table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
OURS, OTHERS = "#2a7f9e", "#c9cdd1"


def number(cell: str) -> float:
    """What a cell says, whatever marks it; NaN if it says nothing."""
    text = cell.replace("*", "").rstrip("%").strip()
    return float(text) if text else np.nan


def bars(axis: Axes, values: dict[str, float], ours: str, sign: int = 1) -> None:
    """Horizontal bars from 0.5, what guesses reach, the best above; a `sign` of -1: the least."""
    names = sorted(values, key=lambda name: sign * values[name])
    lengths = [values[name] - 0.5 for name in names]
    colours = [OURS if name == ours else OTHERS for name in names]
    drawn = axis.barh(names, lengths, left=0.5, color=colours)
    axis.bar_label(drawn, [f"{values[name]:.3f}" for name in names], padding=3)
    axis.spines[["top", "right"]].set_visible(False)


def mixed_tables() -> Figure:
    """Gain in likelihood over independent columns, table by table."""
    rows = [row for row in read_table(RESULTS, "real-tables") if row["rows x columns"]]
    names = {"copula": "Gaussian copula", "arf": "adversarial forests", "skpc": "SharpPCDensity"}
    marks = {"copula": "s", "arf": "^", "skpc": "o"}
    figure, axis = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    rows.sort(key=lambda row: number(row["skpc"]) - number(row["kde"]))
    for method, name in names.items():
        gains = [number(row[method]) - number(row["kde"]) for row in rows]
        colour = OURS if method == "skpc" else "#8a9097"
        axis.plot(gains, range(len(rows)), marks[method], color=colour, label=name, markersize=7)
    axis.set_yticks(range(len(rows)), [row["table"] for row in rows])
    axis.axvline(0, color="black", linewidth=0.8)
    axis.grid(axis="x", alpha=0.3)
    axis.set(
        title="Held-out likelihood of real mixed tables",
        xlabel="nats per row above independent columns (to the right is better)",
    )
    axis.legend(loc="lower right")
    return figure


def anomalies() -> Figure:
    """Mean area under the curve on tables with anomalies in them, and on clean rows."""
    rows = [row for row in read_table(RESULTS, "anomaly-tables") if row["table"] == "mean"]
    figure, axes = plt.subplots(2, 1, figsize=(6.4, 5.4), sharex=True, layout="constrained")
    titles = ("anomalies among the rows learnt from", "clean rows to learn from")
    for axis, row, title in zip(axes, rows, titles, strict=True):
        values = {name: number(cell) for name, cell in list(row.items())[2:]}
        values["SharpPCOutlierDetector"] = values.pop("skpc")
        bars(axis, values, "SharpPCOutlierDetector")
        axis.set(title=title, xlim=(0.5, 0.95))
    axes[1].set_xlabel("mean AUC of 28 tables (0.5 is guessing)")
    return figure


def synthetic_rows() -> Figure:
    """How well boosting tells draws from real rows."""
    (row,) = [row for row in read_table(RESULTS, "draws") if row["table"] == "mean"]
    names = {"kde": "independent kernels", "copula": "Gaussian copula"}
    names |= {"arf": "adversarial forests", "SharpPCDensity": "SharpPCDensity"}
    values = {name: number(row[f"AUC: {method}"]) for method, name in names.items()}
    figure, axis = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
    bars(axis, values, "SharpPCDensity", sign=-1)
    axis.set(
        title="Drawn rows told from real ones by gradient boosting",
        xlabel="mean AUC of 10 tables (0.5: cannot be told, smaller is better)",
        xlim=(0.5, 0.9),
    )
    return figure


def penalty() -> Figure:
    """Mean gain of mu over data sets: early stopping, the paper's setting, by gradient."""
    parts: dict[str, list[float]] = {}
    shares = ["1", "5", "10", "50", "100"]
    low = [row for row in read_table(RESULTS, "low-data") if "mean" in row["data set"]]
    curves = [row for row in read_table(RESULTS, "manifolds") if "mean" in row["manifold"]]
    assert [row["% of rows"] for row in low] == [row["% of rows"] for row in curves] == shares
    parts["the default:\nEM, stopped early"] = [number(row["dNLL, 2"]) for row in low]
    parts["EM not stopped early,\n100 states"] = [number(row["dNLL"]) for row in low]
    parts["by gradient,\ncurves"] = [number(row["dNLL"]) for row in curves]
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 3), layout="constrained")
    for axis, (title, gains) in zip(axes, parts.items(), strict=True):
        colours = [OURS if gain > 0 else "#9e2a2b" for gain in gains]
        axis.bar_label(axis.bar(shares, gains, color=colours), fmt="%+.1f", padding=2, fontsize=8.5)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.margins(y=0.15)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set(title=title, xlabel="% of the rows")
    axes[0].set_ylabel("% of held-out NLL gained by mu")
    return figure


CHARTS = {
    "mixed-tables": mixed_tables,
    "anomalies": anomalies,
    "synthetic-rows": synthetic_rows,
    "penalty": penalty,
}


def main() -> None:
    """Draw all charts."""
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 10.5})
    for name, draw in CHARTS.items():
        figure = draw()
        figure.savefig(HERE / f"chart-{name}.png", dpi=130)
        plt.close(figure)


if __name__ == "__main__":
    main()
