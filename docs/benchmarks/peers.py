"""Compare skpc with what else fits such densities on a CPU: speed, and likelihood after equal time.

    python docs/benchmarks/peers.py --data DIR [--write RESULTS.md] [--csv FILE] [--plot FILE]
    python docs/benchmarks/peers.py --runs FILE ... [--write RESULTS.md] [--plot FILE]

DIR holds files NAME.npz with binary arrays `train`, `valid` and `test`. Peers that cannot be
imported are skipped. All have the same number K of latent states and of threads. A full run takes
two hours: the second form makes table and picture of the likelihoods from what several runs wrote
with `--csv`.

skpc, all rows : hidden Chow-Liu tree (HCLT), exact EM on all rows from random weights.
skpc : the same model by stepwise EM with batches of 100, from clusters: the estimator's defaults.
cirkit : its `chow-liu-tree` template with `cp-t` layers, which is an HCLT whose leaves' matrices
    are absorbed in their distributions; batches of 256; Adam on softmax parameters that start
    normal, as in its notebooks, or its own EM with step 0.1.
sparc : its HCLT with Bernoulli leaves; batches of 256; its projected gradient ascent, with
    gradients from the compiled circuit (`MLETrainer` uses the object graph, 15 times slower).
spflow : its binary HCLT; Adam with batches of 256, or its EM, which replaces the weights after
    every batch, with batches as large as 2 GB of messages allow. With init="random" its
    transitions have one output; so init="uniform", with logits then drawn from a normal.
Bernoulli mixture : full EM in NumPy, of K or 10 K products of independent Bernoullis.

scikit-learn's GaussianMixture is left out: its log densities cannot be compared to log masses.

Seconds a pass are medians over passes in a method's first setting (of cirkit's Adam and EM, one
costs what the other does); ratios are to the first method. For the likelihoods each method
runs from its own start, structure learning included, imports and compilation excluded. With one
thread, seconds are the processor's, so that other work on the machine matters little. At some
times, spaced by a constant ratio, the clock stops and the validation set is scored. All settings
of a method run for `--screen` seconds, then the best of them alone, until the end of the largest
budget or until six scores in a row bring no better one. What is reported for a budget is the test
log-likelihood of the model, over times and settings, that was best on the validation set.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import itertools
import os
import platform
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markdown import print_header, print_row, write_table
from peer_methods import METHODS, TORCH, Method, usable, use_threads
from throughput import DATASETS


class Point(NamedTuple):
    """Clock and validation score of a model on its way; the best so far and its test score."""

    seconds: float
    valid: float
    best_valid: float
    test: float


PATIENCE = 6
Runs = dict[str, dict[str, dict[str, list[Point]]]]  # by data set, method and setting


def seconds_a_pass(model: Method, limit: float) -> tuple[float, bool]:
    """Median seconds of up to seven passes, and whether `limit` let one be completed."""
    model.step()
    n_steps, times, start = model.steps_a_pass, [], time.perf_counter()
    while (spent := time.perf_counter() - start) < limit:
        if len(times) >= 7 * n_steps and spent > 1:
            break
        before = time.perf_counter()
        model.step()
        times.append(time.perf_counter() - before)
    n_passes = len(times) // n_steps
    if not n_passes:
        return float(np.mean(times)) * n_steps, False
    passes = np.reshape(times[: n_passes * n_steps], (n_passes, n_steps)).sum(axis=1)
    return float(np.median(passes)), True


def is_over(points: list[Point]) -> bool:
    """Whether the validation score has stopped improving."""
    best = [point.best_valid for point in points]
    return len(best) > PATIENCE and best[-1] == best[-1 - PATIENCE]


class Run:
    """Training of one method in one setting, scored at given times.

    Parameters
    ----------
    model : Method
    arrays : mapping with `train`, `valid` and `test`
    n_latents : int
    times : sequence of float
        Seconds, ascending.
    now : callable
        What tells the time.
    """

    def __init__(
        self,
        model: Method,
        arrays: Any,
        n_latents: int,
        times: Sequence[float],
        now: Callable[[], float],
    ) -> None:
        self.points: list[Point] = []
        self._model, self._arrays, self._todo, self._now = model, arrays, list(times), now
        start = now()
        model.prepare(arrays["train"], n_latents)
        self._clock, self._last = now() - start, 0.0

    @property
    def best_valid(self) -> float:
        """The best validation score so far."""
        return self.points[-1].best_valid if self.points else -np.inf

    def train(self, limit: float) -> None:
        """Train until the last of the times up to `limit`, scoring just before each.

        An update that would end after the next time, if it took as long as the last, waits until
        the model is scored. Scores are stamped with the clock, which stands still meanwhile.
        """
        while self._todo and self._todo[0] <= limit:
            if self._clock + self._last >= self._todo[0]:
                self._score()
                if is_over(self.points):
                    self._todo = []
            self._todo = [moment for moment in self._todo if moment > self._clock + self._last]
            if self._todo:
                before = self._now()
                self._model.step()
                self._last = self._now() - before
                self._clock += self._last

    def _score(self) -> None:
        valid = float(self._model.log_likelihood(self._arrays["valid"]).mean())
        best = self.points[-1] if self.points else Point(0, -np.inf, -np.inf, -np.inf)
        if valid > best.best_valid:
            test = float(self._model.log_likelihood(self._arrays["test"]).mean())
            best = Point(self._clock, valid, valid, test)
        self.points.append(Point(self._clock, valid, best.best_valid, best.test))


def run_settings(
    method: type[Method], arrays: Any, options: argparse.Namespace
) -> dict[str, list[Point]]:
    """Screen all settings of a method, and train the best one to the end."""
    times = scoring_times(options.budgets)
    now = time.process_time if options.threads == 1 else time.perf_counter
    runs = {
        setting: Run(method(setting, options.seed), arrays, options.n_latents, times, now)
        for setting in method.settings[: options.settings]
    }
    for run in runs.values():
        run.train(options.screen)
    max(runs.values(), key=lambda run: run.best_valid).train(max(options.budgets))
    return {setting: run.points for setting, run in runs.items()}


def scoring_times(budgets: list[float]) -> np.ndarray:
    """A dozen times up to the largest budget, and the budgets."""
    last = max(budgets)
    return np.union1d(np.geomspace(last / 100, last, 12), budgets)


def best_within(runs: dict[str, list[Point]], budget: float) -> tuple[str, Point] | None:
    """The setting and point with the best validation score within `budget` seconds."""
    seen = [(s, p) for s, points in runs.items() for p in points if p.seconds <= budget]
    return max(seen, key=lambda pair: pair[1].best_valid, default=None)


def compare_passes(methods: list[type[Method]], options: argparse.Namespace) -> list[str]:
    """Print the table of seconds a pass."""
    lines = print_header(["data set", "K", *(method.name for method in methods)])
    for name, n_latents in itertools.product(options.pass_datasets, options.pass_latents):
        train = np.load(options.data / f"{name}.npz")["train"]
        cells: list[str] = []
        for method in methods:
            model = method(method.settings[0], options.seed)
            model.prepare(train, n_latents)
            seconds, is_whole = seconds_a_pass(model, options.pass_seconds)
            if method is methods[0]:
                reference = seconds
                cells.append(f"{seconds:.4f}")
            else:
                about = "" if is_whole else "~"
                ratio = seconds / reference
                times = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"
                cells.append(f"{about}{seconds:.3g} ({times}x)")
        lines.append(print_row([name, n_latents, *cells]))
    return lines


def run_all(methods: list[type[Method]], options: argparse.Namespace) -> Runs:
    """Train all methods on all data sets."""
    runs: Runs = {}
    for name in options.datasets:
        arrays = dict(np.load(options.data / f"{name}.npz"))
        runs[name] = {method.name: run_settings(method, arrays, options) for method in methods}
        print(f"{name} is done.", file=sys.stderr, flush=True)
    return runs


def compare_likelihoods(runs: Runs, budgets: list[float]) -> list[str]:
    """Print the table of test log-likelihoods."""
    names = list(dict.fromkeys(name for by_method in runs.values() for name in by_method))
    lines = print_header(["data set", "seconds", *names])
    for data_set, by_method in runs.items():
        for budget in sorted(budgets):
            cells = [say_best(by_method.get(name, {}), budget) for name in names]
            lines.append(print_row([data_set, f"{budget:g}", *cells]))
    return lines


def say_best(runs: dict[str, list[Point]], budget: float) -> str:
    """Test log-likelihood within a budget, and the setting."""
    longest = max((points[-1].seconds for points in runs.values() if points), default=0.0)
    if longest < 0.5 * budget and not any(is_over(points) for points in runs.values()):
        return "not run"
    found = best_within(runs, budget)
    return f"{found[1].test:.3f} ({found[0]})" if found else "none yet"


def write_csv(path: Path, runs: Runs) -> None:
    """Write every score: that of the model, and the best so far with its test score."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["data set", "method", "setting", *Point._fields])
        for name, by_method in runs.items():
            for method, by_setting in by_method.items():
                for setting, points in by_setting.items():
                    writer.writerows([name, method, setting, *point] for point in points)


def read_csv(paths: list[Path]) -> Runs:
    """What `write_csv` wrote, one file or several."""
    runs: Runs = {}
    for path in paths:
        with path.open(newline="") as file:
            _, *rows = csv.reader(file)
        for name, method, setting, *figures in rows:
            points = runs.setdefault(name, {}).setdefault(method, {}).setdefault(setting, [])
            points.append(Point(*map(float, figures)))
    return runs


def plot(path: Path, runs: Runs, times: np.ndarray) -> None:
    """Draw test log-likelihoods within `times`, a panel a data set.

    A panel reaches down to 6 % below its best value; what stays below is named under it.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    # Okabe and Ito's colours, told apart with any colour vision; markers help in print.
    looks = zip(
        ["#E69F00", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000"],
        ["<", "o", "s", "^", "D", "v"],
        strict=True,
    )  # fmt: skip
    look = dict(zip((method.name for method in METHODS), looks, strict=True))
    n_columns = min(3, len(runs))
    n_rows = -(-len(runs) // n_columns)
    size = (max(6.5, 3.5 * n_columns), 2.8 * n_rows + 0.6)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=size, squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(runs) :]:
        axis.remove()
    for axis, (name, by_method) in zip(axes.flat, runs.items(), strict=False):
        top = max(p.test for s in by_method.values() for points in s.values() for p in points)
        below = []
        for method, by_setting in by_method.items():
            points = [point for points in by_setting.values() for point in points]
            reach = max(point.seconds for point in points)
            if any(is_over(points) for points in by_setting.values()):
                reach = times[-1]
            found = [(t, best_within(by_setting, t)) for t in times if t <= 1.01 * reach]
            seconds = [t for t, best in found if best]
            tests = [best[1].test for _, best in found if best]
            color, marker = look[method]
            axis.plot(seconds, tests, color=color, marker=marker, markersize=3.5, label=method)
            if not tests or tests[-1] < 1.06 * top:
                below.append(f"{method} ({tests[-1]:.1f})" if tests else f"{method} (none yet)")
        axis.set(title=name, xscale="log", ylabel="test log-likelihood, nats")
        note = textwrap.fill(f"below: {', '.join(below)}", 45) if below else ""
        axis.set_xlabel(f"seconds\n{note}", fontsize="small")
        axis.set_ylim(1.06 * top, 0.995 * top)
        axis.grid(alpha=0.3)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of NAME.npz files")
    parser.add_argument("--runs", nargs="+", type=Path, help="files that --csv wrote")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, help="for likelihoods")
    parser.add_argument("--n-latents", type=int, default=100, help="for likelihoods")
    parser.add_argument(
        "--budgets", nargs="*", type=float, default=[5, 20, 60, 300], help="seconds"
    )
    parser.add_argument("--screen", type=float, default=20, help="seconds for every setting")
    parser.add_argument("--settings", type=int, help="of each method, at most")
    parser.add_argument("--pass-datasets", nargs="*", default=["nltcs", "accidents"])
    parser.add_argument("--pass-latents", nargs="+", type=int, default=[32, 100])
    parser.add_argument("--pass-seconds", type=float, default=20, help="most seconds of timing")
    parser.add_argument("--methods", nargs="+", default=[method.name for method in METHODS])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="file for all scores")
    parser.add_argument("--plot", type=Path, help="picture of all scores")
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    parser.add_argument(
        "--table",
        default="peers-likelihood",
        choices=["peers-likelihood", "peers-slow"],
        help="where there, by its mark, that of likelihoods",
    )
    options = parser.parse_args()
    if not options.runs and not options.data:
        parser.error("--data is missing: the folder of NAME.npz files (or give --runs)")
    if options.runs:
        runs = read_csv(options.runs)
        seen = {name for by_method in runs.values() for name in by_method}
        methods = [method for method in METHODS if method.name in seen]
    else:
        use_threads(options.threads)
        methods = usable(options.methods)
    packages = dict.fromkeys(method.package for method in methods)
    packages |= dict.fromkeys(["torch"] * any(TORCH in method.install for method in methods))
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    machine = (
        f"threads: {options.threads}; {platform.machine()}; Python {platform.python_version()}; "
        f"{', '.join(versions)}."
    )
    print(machine + "\n")
    if options.pass_datasets and not options.runs:
        lines = compare_passes(methods, options)
        if options.write:
            write_table(options.write, "peers-pass", [*lines, "", machine])
        print()
    if options.budgets:
        if not options.runs:
            runs = run_all(methods, options)
        if options.csv:
            write_csv(options.csv, runs)
        lines = compare_likelihoods(runs, options.budgets)
        if options.write:
            note = f"K = {options.n_latents}; {machine}"
            write_table(options.write, options.table, [*lines, "", note])
        if options.plot:
            plot(options.plot, runs, scoring_times(options.budgets))


if __name__ == "__main__":
    main()
