"""Conditional distributions given intervals that doubles can hardly tell from a value."""

import numpy as np
import pytest

from skpc import SharpPCDensity

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    X[:, 1] += 0.6 * X[:, 0]
    return SharpPCDensity(n_latents=2, max_iter=4, random_state=0, n_jobs=1).fit(X)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, np.nextafter(1.0, 2.0)), (0.0, 1e-200), (0.5, 0.5 + 1e-13)]
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_very_narrow_interval_has_the_density_times_its_width(model, low, high):
    given = model.condition({0: (low, high)})
    log_density = np.log(model.condition().pdf(low, 0))
    assert given.log_probability - np.log(high - low) == pytest.approx(log_density, abs=1e-9)
    assert given.pdf(low, 0) * (high - low) == pytest.approx(1.0)
    assert given.entropy(0) == pytest.approx(np.log(high - low))
    for value in (given.mean(0), given.median(0), given.mode(0)):
        assert low <= value <= high
    at = model.condition({0: low})
    assert given.mean(1) == pytest.approx(at.mean(1), rel=1e-3)
    draws = np.asarray(given.sample(5, random_state=0))
    assert ((draws[:, 0] >= low) & (draws[:, 0] <= high)).all()
