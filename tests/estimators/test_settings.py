"""Parameters that cannot act: which they are, and that nothing else is refused."""

import pickle

import numpy as np
import pytest
from helpers import composed
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skpc import SharpPCClassifier, SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector
from skpc._estimators.settings import INERT, same_setting

X = np.random.default_rng(0).integers(0, 2, (40, 3)).astype(float)
X_VAL = np.random.default_rng(1).integers(0, 2, (20, 3)).astype(float)

CONTINUOUS = {"structure": "continuous-mixture"}

# Parameter and value, what keeps it from acting, whether rows to validate on are given.
CANNOT_ACT = [
    ("regularizer", "gated", {"solver": "adam"}, False),
    ("multiplier", "exact", {"solver": "adam"}, False),
    ("update", "cubic", {"solver": "adam"}, False),
    ("dtype", "float32", {"update": "cubic"}, False),
    ("dtype", "float32", {"solver": "adam", "mu": 0.01}, False),
    ("init", "random", CONTINUOUS, False),
    ("n_init", 2, CONTINUOUS, False),
    ("n_components", 2, CONTINUOUS, False),
    ("feature_groups", None, CONTINUOUS, False),
    ("regularizer", "gated", CONTINUOUS, False),
    ("solver", "adam", CONTINUOUS, False),
    ("update", "cubic", CONTINUOUS, False),
    ("dtype", "float32", CONTINUOUS, False),
    ("batch_size", None, CONTINUOUS, False),
    ("n_latents", 2, {"structure": "auto", "early_stopping": 0.2}, False),
    ("early_stopping", 0.2, {}, True),
    ("n_iter_no_change", 3, {"early_stopping": False}, False),
    ("n_iter_no_change", 3, {"early_stopping": np.bool_(False)}, False),
    ("n_iter_no_change", 3, {"warm_start": True}, False),
]
CAN_ACT = [
    ("regularizer", "gated", {"mu": 0}, False),
    ("regularizer", "gated", {"n_latents": 1}, False),
    ("dtype", "float32", {"solver": "adam"}, False),
    ("n_components", 1, {"n_latents": "auto", "structure": "auto"}, False),
    ("early_stopping", 0.2, {"tol": 0}, False),
    ("early_stopping", 0.2, {"warm_start": True}, False),
    ("n_iter_no_change", 3, {"early_stopping": 0.2}, False),
    ("n_iter_no_change", 3, {"early_stopping": False}, True),
    ("n_iter_no_change", 3, {"warm_start": True}, True),
    ("n_init", 2, {"warm_start": True}, False),
    ("init", "random", {"warm_start": True}, False),
]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Continuous mixtures that take no time."""
    monkeypatch.setattr("skpc._learning.continuous_mixture.learning._STEPS", 1)
    monkeypatch.setattr("skpc._learning.capacity.points_for", lambda total_weight: 4)


def fit(estimator, has_validation_rows):
    return estimator.fit(X, **({"X_val": X_VAL} if has_validation_rows else {}))


def test_every_entry_of_the_table_is_tried():
    assert {entry.parameter for entry in INERT} == {case[0] for case in CANNOT_ACT}


@pytest.mark.parametrize("is_composed", [False, True])
@pytest.mark.parametrize(("parameter", "value", "others", "given"), CANNOT_ACT)
def test_what_is_set_and_cannot_act_is_refused(is_composed, parameter, value, others, given):
    density = SharpPCDensity(**{"n_latents": 2, "max_iter": 2, **others, parameter: value})
    if is_composed and density.warm_start:
        parameter, value = "warm_start", True  # which cannot act there itself
    model = SharpPCOutlierDetector(density) if is_composed else density
    with pytest.raises(
        ValueError,
        match=rf"{parameter}={value!r} (.*so it cannot act\. .* or leave|cannot act in)",
    ):
        fit(model, given)
    assert not hasattr(model, "circuit_")
    assert not hasattr(model, "n_features_in_")
    default = SharpPCDensity().get_params()[parameter]
    density.set_params(**{parameter: default, "n_iter_no_change": 10, "random_state": 0})
    fit(model, given)


@pytest.mark.filterwarnings("ignore:Learning did not converge")
@pytest.mark.parametrize(("parameter", "value", "others", "given"), CAN_ACT)
def test_what_can_act_is_not_refused(parameter, value, others, given):
    model = SharpPCDensity(**{"n_latents": 2, "max_iter": 2, **others, parameter: value})
    fit(clone(model), given)
    fit(pickle.loads(pickle.dumps(fit(model, given))), given)


def test_a_density_of_a_class_is_refused_too():
    template = SharpPCDensity(2, multiplier="exact", solver="adam")
    with pytest.raises(ValueError, match="multiplier='exact' is of EM's M-step"):
        SharpPCClassifier(template).fit(X, X[:, 0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_iter_no_change": 3, "warm_path": True}, "n_iter_no_change=3 .*warm_path=True"),
        ({"dtype": "float32", "solver": "adam", "mus": [0.1, 0.2]}, "dtype='float32'"),
    ],
)
def test_cross_validation_refuses_by_its_own_names(parameters, message):
    with pytest.raises(ValueError, match=message):
        composed(SharpPCDensityCV, n_latents=2, **{"mus": [0, 0.1], "cv": 2, **parameters}).fit(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_cross_validation_may_set_what_acts_for_some_of_its_fits():
    settings = {"mus": [0.0, 0.1], "cv": 2, "max_iter": 2, "random_state": 0}
    composed(SharpPCDensityCV, n_latents=2, solver="adam", dtype="float32", **settings).fit(X)


def test_grids_may_end_where_a_parameter_loses_its_effect():
    grid = {"n_latents": [1, 2], "mu": [0, 0.1], "regularizer": ["global", "gated"]}
    model = SharpPCDensity(max_iter=3, random_state=0, early_stopping=0.2)
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("structure", "star"),
        ("n_components", 2),
        ("feature_groups", None),
        ("feature_types", "gaussian"),
        ("init", "random"),
        ("n_init", 3),
    ],
)
def test_what_decides_the_start_cannot_change_before_a_warm_one(parameter, value):
    model = SharpPCDensity(2, max_iter=2, tol=1.0, warm_start=True, random_state=0).fit(X)
    model.fit(X)
    before = model.circuit_
    model.set_params(**{parameter: value})
    with pytest.raises(ValueError, match=f"{parameter}={value!r} cannot act.*Set warm_start=False"):
        model.fit(X)
    assert model.circuit_ is before
    model.set_params(warm_start=False).fit(X)
    model.set_params(warm_start=True).fit(X)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("auto", "auto", True),
        ([1, -1], np.array([1, -1]), True),
        ([1, -1], np.array([1, 0]), False),
        ("auto", np.array([1, 0]), False),
        ("auto", [[0, 1]], False),
        (10, np.int64(10), True),
        (None, 0.5, False),
    ],
)
def test_values_of_parameters_are_compared_whatever_they_are(a, b, expected):
    assert same_setting(a, b) is same_setting(b, a) is expected
