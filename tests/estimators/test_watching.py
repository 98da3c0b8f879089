"""Watching a fit, interrupting it, and going on with it after a crash."""

import itertools
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCOutlierDetector,
)
from skpc._learning import journal as journals
from skpc._learning.journal import digest
from skpc._learning.watch import Run

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

STRAIGHT = {"tol": 0.0, "early_stopping": False, "max_iter": 12, "random_state": 0}


def binary(n_rows=120, n_columns=5, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((n_rows, n_columns)) < rng.choice([0.2, 0.8], (n_rows, 1))).astype(float)


def mixed(n_rows=120):
    """Categories and numbers."""
    X = binary(n_rows, 4)
    numbers = np.random.default_rng(1).normal(size=(n_rows, 2)) + X[:, :1]
    return np.hstack([X, numbers])


@pytest.fixture
def at_update(monkeypatch):
    """Lets an update of a fit fail, counted from 1 over all its runs."""
    real = Run.update

    def fail(number, error=KeyboardInterrupt, name=""):
        numbers = itertools.count(1)

        def update(run, *report):
            is_meant = run.name and name in run.name  # not what starts are made of
            if is_meant and next(numbers) == number:
                raise error
            return real(run, *report)

        monkeypatch.setattr(Run, "update", update)

    yield fail
    monkeypatch.setattr(Run, "update", real)


def contents(model):
    """All that `fit` has set, but for seconds."""
    state = {name: value for name, value in vars(model).items() if name.endswith("_")}
    if state.get("fit_report_"):
        state["fit_report_"] = {**state["fit_report_"], "seconds": None}
    return state


def assert_same_bits(a, b):
    a, b = contents(a), contents(b)
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert digest(value) == digest(b[name]), name


# --- Ctrl-C ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "number"),
    [
        ({"n_latents": 3}, 4),
        ({"n_latents": 3, "n_init": 3, **STRAIGHT}, 20),
        ({"n_latents": 3, "batch_size": 30}, 3),
        ({"n_latents": 2, "solver": "adam", "batch_size": 30}, 3),
        ({"n_latents": 2, "n_components": 2}, 3),
        ({}, 1),
        ({}, 30),
        ({"structure": "continuous-mixture", "max_iter": 4, "n_latents": 16}, 2),
    ],
    ids=str,
)
def test_ctrl_c_keeps_a_whole_model(parameters, number, at_update):
    model = SharpPCDensity(random_state=0).set_params(**parameters)
    at_update(number)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(binary(), on_interrupt="keep")
    (warning,) = found
    assert warning.category is ConvergenceWarning
    assert str(warning.message).startswith("Learning was interrupted after ")
    assert warning.filename == __file__
    assert model.converged_ is False
    assert model.n_iter_ == len(model.log_likelihoods_) > 0
    everything = np.array(list(itertools.product([0.0, 1.0], repeat=5)))
    np.testing.assert_allclose(np.exp(model.score_samples(everything)).sum(), 1, rtol=1e-9)


def test_what_is_kept_is_where_learning_was(at_update):
    """As many updates as were done, and not one that was not."""
    model = SharpPCDensity(3, **STRAIGHT)
    at_update(5)
    model.fit(binary(), on_interrupt="keep")
    at_update(0)
    expected = SharpPCDensity(3, **{**STRAIGHT, "max_iter": 5}).fit(binary())
    assert digest(model.circuit_) == digest(expected.circuit_)
    assert (model.log_likelihoods_ == expected.log_likelihoods_).all()


def test_the_best_of_several_starts_is_kept(at_update):
    parameters = {**STRAIGHT, "n_latents": 3, "init": "random"}
    at_update(12 + 3)
    model = SharpPCDensity(n_init=2, **parameters).fit(binary(), on_interrupt="keep")
    at_update(0)
    first = SharpPCDensity(**parameters).fit(binary())
    assert digest(model.circuit_) == digest(first.circuit_)


def test_an_interrupted_run_from_all_rows_leaves_the_one_that_was_validated(at_update):
    X = binary(300)
    parameters = {"n_latents": 3, "random_state": 0, "mu": 0.01}
    at_update(1, name="all rows")
    model = SharpPCDensity(**parameters).fit(X, on_interrupt="keep")
    at_update(0)
    whole = SharpPCDensity(**parameters).fit(X)
    assert (model.log_likelihoods_ == model.validation_run_log_likelihoods_).all()
    assert (model.validation_log_likelihoods_ == whole.validation_log_likelihoods_).all()
    assert digest(model.circuit_) != digest(whole.circuit_)


@pytest.mark.parametrize("n_rows", [200, 1800], ids=["five folds", "one part held out"])
def test_a_search_keeps_a_mixture_of_what_was_tried(n_rows, at_update):
    X = mixed(n_rows)
    whole = SharpPCDensity(random_state=0).fit(X)
    names = whole.fit_report_["candidate"].tolist()
    at_update(1, name="4 states")
    model = SharpPCDensity(random_state=0).fit(X, on_interrupt="keep")
    tried = model.fit_report_["candidate"].tolist()
    assert tried == names[: len(tried)]
    assert tried[-1] == "4 states"
    weights = model.fit_report_["weight"]
    assert weights.sum() == pytest.approx(1)
    assert np.isfinite(model.score(X))
    # Few rows are learnt from without each fifth: all five circuits are part of the mixture.
    n_folds = 5 if n_rows == 200 else 1
    assert len(model.circuit_.roots) == n_folds * np.count_nonzero(weights)


def test_ctrl_c_while_circuits_are_weighted_keeps_them(monkeypatch):
    def strike(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("skpc._learning.capacity.stack", strike)
    model = SharpPCDensity(random_state=0).fit(binary(), on_interrupt="keep")
    assert not model.converged_
    assert model.fit_report_["weight"].sum() == pytest.approx(1)


def test_ctrl_c_before_there_is_a_circuit_leaves_the_estimator_as_it_was(monkeypatch):
    def strike(*args):
        raise KeyboardInterrupt

    model = SharpPCDensity(3, **STRAIGHT).fit(binary())
    before = dict(vars(model))
    monkeypatch.setattr("skpc._learning.fit.learn_trees", strike)
    with pytest.raises(KeyboardInterrupt):
        model.fit(binary(), on_interrupt="keep")
    assert vars(model) == before


def test_by_default_ctrl_c_leaves_the_estimator_as_it_was(at_update):
    at_update(5)
    model = SharpPCDensity(3, **STRAIGHT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(binary())
    assert vars(model) == vars(SharpPCDensity(3, **STRAIGHT))


@pytest.mark.parametrize("solver", ["em", "adam"])
def test_a_signal_at_any_moment_keeps_a_whole_model(solver):
    """Wherever the interpreter notices it."""
    X, model = binary(), SharpPCDensity(2, solver=solver, **{**STRAIGHT, "max_iter": 2000})
    model.fit(X[:50], on_interrupt="keep") if solver == "em" else None
    former = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGINT))
    try:
        for delay in 0.05, 0.0713, 0.0931:
            signal.setitimer(signal.ITIMER_REAL, delay)
            try:
                model.fit(X, on_interrupt="keep")
            except KeyboardInterrupt:  # nothing was learnt yet
                continue
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert len(model.log_likelihoods_) == model.n_iter_ > 0
            assert np.isfinite(model.score(X))
    finally:
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("value", ["stop", None, True])
def test_only_two_ways_to_deal_with_ctrl_c(value):
    with pytest.raises(ValueError, match=f"on_interrupt must be 'raise'.*got {value!r}"):
        SharpPCDensity(2).fit(binary(), on_interrupt=value)


# --- checkpoints -------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "_SECONDS", 0.0)
    monkeypatch.setattr(journals, "_SHARE", 0.5)
    monkeypatch.setattr(os, "fsync", int)  # is slow, and for machines that fail
    return tmp_path / "fit.checkpoint"


FITS = {
    "mixed data": ({}, mixed(150)),
    "batches": ({"n_latents": 4, "batch_size": 40}, mixed(150)),
    "all rows": ({"n_latents": 3, "batch_size": None, "mu": None}, mixed(150)),
    "several starts": ({"n_latents": 2, "n_init": 3, "init": "random"}, binary()),
    "Adam": ({"n_latents": 2, "solver": "adam", "max_iter": 8}, mixed(150)),
    "trees": ({"n_latents": 2, "n_components": 2}, binary()),
    "continuous": ({"structure": "continuous-mixture", "max_iter": 4, "n_latents": 16}, binary()),
}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_goes_on_after_a_crash_with_the_same_bits(name, path, at_update):
    """Whatever the order of rows and the number of threads."""
    parameters, X = FITS[name]
    model = SharpPCDensity(random_state=0).set_params(**parameters)
    whole = clone(model).fit(X)
    for number in 3, 2, 7:
        at_update(number, MemoryError)
        with pytest.raises(MemoryError):
            clone(model).fit(X, checkpoint=path)
    at_update(0)
    assert path.exists()
    assert_same_bits(model.set_params(n_jobs=1).fit(X[::-1], checkpoint=str(path)), whole)
    assert not path.exists()


def test_what_was_done_is_not_done_again(path, at_update, monkeypatch):
    monkeypatch.setattr(journals, "_SHARE", np.inf)
    model = SharpPCDensity(3, **STRAIGHT)
    at_update(9, MemoryError)
    with pytest.raises(MemoryError):
        model.fit(binary(), checkpoint=path)
    updates = []
    at_update(0)
    monkeypatch.setattr(Run, "update", lambda run, n, *report: updates.append(n))
    model.fit(binary(), checkpoint=path)
    assert updates == [9, 10, 11, 12]


def test_a_generator_goes_on_too(path, at_update):
    """Both that of the fit and what its caller draws afterwards."""
    X, parameters = binary(), {"n_latents": 3, "batch_size": 20}
    generator = np.random.RandomState(3)
    whole = SharpPCDensity(**parameters, random_state=generator).fit(X)
    after = generator.random_sample()
    at_update(4, MemoryError)
    with pytest.raises(MemoryError):
        SharpPCDensity(**parameters, random_state=np.random.RandomState(3)).fit(X, checkpoint=path)
    at_update(0)
    generator = np.random.RandomState(9)
    again = SharpPCDensity(**parameters, random_state=generator).fit(X, checkpoint=path)
    assert_same_bits(again, whole)
    assert generator.random_sample() == after


def test_what_ctrl_c_kept_can_be_gone_on_with(path, at_update):
    X, model = mixed(200), SharpPCDensity(random_state=0)
    at_update(20)
    kept = clone(model).fit(X, on_interrupt="keep", checkpoint=path)
    assert not kept.converged_
    assert path.exists()
    at_update(0)
    assert_same_bits(clone(model).fit(X, checkpoint=path), model.fit(X))


def test_a_warm_start_goes_on_too(path, at_update):
    X = binary()
    first = SharpPCDensity(3, warm_start=True, **STRAIGHT)
    model, other = first.fit(X), clone(first).fit(X)
    at_update(6, MemoryError)
    with pytest.raises(MemoryError):
        model.fit(X, checkpoint=path)
    at_update(0)
    assert_same_bits(model.fit(X, checkpoint=path), other.fit(X))
    model.fit(X)
    at_update(6, MemoryError)
    with pytest.raises(MemoryError):
        other.fit(X, checkpoint=path)
    with pytest.raises(ValueError, match="another fit, whose circuit to start from is"):
        model.fit(X, checkpoint=path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_latents": 4}, "n_latents is 3, and not 4"),
        ({"random_state": 1}, "random_state is 0, and not 1"),
        ({"X": binary(seed=1)}, "table"),
        ({"X": binary()[:, ::-1]}, "table"),
        ({"sample_weight": np.arange(1, 121)}, "table"),
        ({"X_val": binary(30)}, "validation rows"),
        ({"version": "9.0"}, "version of skpc is .*, and not 9.0"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(changes, message, path, at_update, monkeypatch):
    arguments = {"X": binary(), "checkpoint": path}
    model = SharpPCDensity(3, **{**STRAIGHT, "batch_size": 40})
    at_update(3, MemoryError)
    with pytest.raises(MemoryError):
        model.fit(**arguments)
    at_update(0)
    content = path.read_bytes()
    if "version" in changes:
        monkeypatch.setattr("skpc._estimators.watching.__version__", changes["version"])
    for name, value in changes.items():
        if name in model.get_params():
            model.set_params(**{name: value})
        elif name != "version":
            arguments[name] = value
    with pytest.raises(ValueError, match=rf"fit\.checkpoint' is of another fit, whose .*{message}"):
        model.fit(**arguments)
    assert path.read_bytes() == content


def test_a_checkpoint_is_in_a_folder_that_exists(tmp_path):
    model = SharpPCDensity(2, **STRAIGHT)
    with pytest.raises(ValueError, match=r"checkpoint='.*none.a' is in a folder that does not"):
        model.fit(binary(), checkpoint=tmp_path / "none" / "a")
    with pytest.raises(ValueError, match=r"checkpoint='.*' is a folder. Give the path of a file"):
        model.fit(binary(), checkpoint=tmp_path)
    with pytest.raises(ValueError, match="checkpoint must be the path of a file, or None; got 3"):
        model.fit(binary(), checkpoint=3)


PROGRAM = """
import sys, warnings
import numpy as np
from skpc import SharpPCDensity
from skpc._learning import journal
from skpc._learning.journal import digest
sys.path.insert(0, sys.argv[1])
from test_watching import KILLED, contents, mixed

journal._SECONDS = 0.2
warnings.simplefilter("ignore")
parameters, n_rows = KILLED[sys.argv[2]]
path = sys.argv[3] if len(sys.argv) > 3 else None
print("begin", flush=True)
model = SharpPCDensity(random_state=0).set_params(**parameters).fit(mixed(n_rows), checkpoint=path)
print(digest(contents(model)), flush=True)
"""

KILLED = {
    "default": ({}, 2000),
    "batches": ({"n_latents": 4}, 4000),
    "all rows": ({"n_latents": 8, "batch_size": None, "tol": 1e-7}, 4000),
    "Adam": ({"n_latents": 4, "solver": "adam"}, 2000),
    "auto": ({"structure": "auto", "n_components": 1, "max_iter": 6}, 1600),
}


@pytest.mark.long
@pytest.mark.parametrize("name", KILLED)
def test_a_killed_process_is_no_loss(name, tmp_path):
    """Killed at random moments; whoever goes on comes to the same bits."""
    path = tmp_path / "fit.checkpoint"
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), name]
    began = time.monotonic()
    whole = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - began
    rng, n_resumed = np.random.default_rng(0), 0
    for _ in range(6):
        with subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "begin\n"
            time.sleep(rng.uniform(0.05, 0.5) * seconds)
            process.kill()
        n_resumed += path.exists()
    assert n_resumed > 0
    again = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    assert again.stdout == whole
    assert os.listdir(tmp_path) == []


# --- progress ----------------------------------------------------------------------------


def test_a_bar_shows_what_is_learnt_and_how_long_it_takes_at_most(capsys):
    SharpPCDensity(3, verbose="bar", **STRAIGHT).fit(binary())
    out, err = capsys.readouterr()
    assert out == ""
    last = err.split("\r")[-1]
    assert last.startswith("3 states: 12/12 ")
    assert "at most 00:00 more, log-likelihood -" in last


def test_without_tqdm_there_are_lines(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    SharpPCDensity(3, verbose="bar", **STRAIGHT).fit(binary())
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["1", "10"]


class Recorder:
    """A callback of scikit-learn; it may end a run."""

    max_propagation_depth = None

    def __init__(self, end_after=None):
        self.end_after = end_after
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", type(estimator).__name__))

    def teardown(self, estimator, context):
        self.events.append(("teardown", type(estimator).__name__))

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        self.events.append(("end", context.task_name, context.max_subtasks))
        return context.task_name == "iteration" and context.task_id + 1 == self.end_after


HAS_CALLBACKS = sklearn.__version__ >= "1.9"
with_callbacks = pytest.mark.skipif(not HAS_CALLBACKS, reason="scikit-learn has none")


@pytest.mark.parametrize("estimator", [SharpPCDensity(), SharpPCImputer()], ids=str)
def test_callbacks_can_be_set_where_scikit_learn_has_them(estimator):
    assert hasattr(estimator, "set_callbacks") == HAS_CALLBACKS


@with_callbacks
def test_callbacks_are_told_of_runs_and_iterations():
    recorder = Recorder()
    model = SharpPCDensity(3, **{**STRAIGHT, "max_iter": 2}).set_callbacks(recorder).fit(binary())
    iteration = [("begin", "iteration", 0), ("end", "iteration", 0)]
    run = [("begin", "3 states", 2), *iteration, *iteration, ("end", "3 states", 2)]
    assert recorder.events == [
        ("setup", "SharpPCDensity"), ("begin", "fit", None), *run, ("end", "fit", None),
        ("teardown", "SharpPCDensity"),
    ]  # fmt: skip
    assert clone(model)._skl_callbacks == [recorder]


@with_callbacks
def test_a_callback_may_end_a_run():
    model = SharpPCDensity(3, **STRAIGHT).set_callbacks(Recorder(end_after=4)).fit(binary())
    assert model.n_iter_ == 4
    assert not model.converged_


@with_callbacks
def test_callbacks_are_torn_down_after_a_fit_that_fails(at_update):
    recorder = Recorder()
    for estimator in SharpPCDensity(3, **STRAIGHT), SharpPCImputer(SharpPCDensity(3, **STRAIGHT)):
        estimator.set_callbacks(recorder)
        before = dict(vars(estimator))
        at_update(2, MemoryError)
        with pytest.raises(MemoryError):
            estimator.fit(binary())
        assert recorder.events[-1] == ("teardown", type(estimator).__name__)
        assert vars(estimator) == before


@with_callbacks
@pytest.mark.parametrize(
    ("kind", "parameters", "n_densities"),
    [
        (SharpPCImputer, {}, 1),
        (SharpPCOutlierDetector, {"n_components": 3}, 3),
        (SharpPCClassifier, {"joint": False}, 2),
        (SharpPCClassifier, {"joint": True}, 1),
        (SharpPCDensityCV, {"mus": [0.0, 0.1], "cv": 2}, 5),
    ],
)
def test_callbacks_are_told_of_the_densities_of_others(kind, parameters, n_densities):
    X, density = binary(), SharpPCDensity(2, **{**STRAIGHT, "max_iter": 2})
    y = X[:, 0]
    recorder = Recorder()
    silent = kind(density, **parameters).fit(X, y)
    told = kind(density, **parameters).set_callbacks(recorder).fit(X, y)
    n_runs = recorder.events.count(("begin", "2 states", 2))
    assert n_runs == n_densities
    assert recorder.events.count(("end", "iteration", 0)) == 2 * n_runs
    assert [event for event in recorder.events if len(event) == 2] == [
        ("setup", kind.__name__), ("teardown", kind.__name__)
    ]  # fmt: skip
    ask = "transform" if kind is SharpPCImputer else "predict_proba"
    ask = ask if hasattr(silent, ask) else "score_samples"
    np.testing.assert_array_equal(getattr(told, ask)(X), getattr(silent, ask)(X))
