"""scikit-learn's own checks, over several configurations, with no expected failure."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCMissingnessDensity,
    SharpPCOutlierDetector,
)

# Iterations are few: the checks fit some hundred times.
CONFIGURATIONS = [
    SharpPCDensity(n_latents=2, max_iter=5),
    SharpPCDensity(n_latents=3, max_iter=3, init="random", batch_size=10, feature_groups=None),
    SharpPCOutlierDetector(SharpPCDensity(n_latents=2, max_iter=5)),
]
# Options that have nothing to do with each other share one, as each takes fifty checks.
FURTHER_CONFIGURATIONS = [
    SharpPCDensity(
        3, max_iter=5, regularizer="gated", multiplier="exact", mu=1e-4, feature_groups=None
    ),
    SharpPCDensity(2, max_iter=3, feature_types="gaussian", pseudocount=0.0, update="cubic"),
    SharpPCDensity(2, max_iter=5, early_stopping=0.2, n_iter_no_change=2, init="random"),
    SharpPCDensity(2, max_iter=3, structure="rat", n_components=2),
    SharpPCDensity(2, max_iter=3, batch_size=10, solver="adam", mu=1e-5, n_components=2),
    SharpPCDensityCV(SharpPCDensity(2, max_iter=3), mus=[0.1, 0.0], cv=2, warm_path=True),
    SharpPCClassifier(SharpPCDensity(n_latents=4, max_iter=5)),  # of three classes, jointly
    SharpPCClassifier(
        SharpPCDensity(2, max_iter=5), joint=False, priors="uniform", share_structure=True
    ),
    SharpPCImputer(SharpPCDensity(2, max_iter=5)),
    SharpPCImputer(SharpPCDensity(2, max_iter=5), strategy="sample"),
    SharpPCMissingnessDensity(SharpPCDensity(2, max_iter=5)),
    SharpPCOutlierDetector(),
    SharpPCOutlierDetector(2, n_components=2, max_samples=0.7, criterion="likelihood"),
    SharpPCOutlierDetector(
        SharpPCMissingnessDensity(SharpPCDensity(2, max_iter=5)), n_components=2
    ),
    SharpPCClassifier(SharpPCMissingnessDensity(SharpPCDensity(4, max_iter=5)), joint=True),
]


@parametrize_with_checks(CONFIGURATIONS)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(FURTHER_CONFIGURATIONS)
def test_estimator_checks_of_further_configurations(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        SharpPCDensity(n_latents=2, max_iter=5),
        SharpPCDensityCV(SharpPCDensity(n_latents=2, max_iter=3), mus=[0.1], cv=2),
        SharpPCClassifier(SharpPCDensity(n_latents=2, max_iter=5)),
        SharpPCImputer(SharpPCDensity(n_latents=2, max_iter=5)),
        SharpPCMissingnessDensity(SharpPCDensity(n_latents=2, max_iter=5)),
        SharpPCOutlierDetector(SharpPCDensity(n_latents=2, max_iter=5)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_param_validation,
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_inplace_ensure_writeable,
        estimator_checks.check_non_transformer_estimators_n_iter,
    ],
)
def test_checks_that_the_generator_leaves_out(check, estimator):
    check(type(estimator).__name__, estimator)
