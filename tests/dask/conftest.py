"""One cluster of two processes for all tests that need no other."""

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster


@pytest.fixture(scope="session")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", processes=True
    ) as started:
        yield started


@pytest.fixture(scope="session")
def client(cluster):
    with Client(cluster, set_as_default=False) as connected:
        yield connected


@pytest.fixture(scope="session")
def frame():
    """Labels, a code, numbers with ties and holes, numbers without; rows are repeated."""
    rng = np.random.default_rng(0)
    state = rng.integers(0, 3, 600)
    noise = rng.normal(size=600)
    table = pd.DataFrame(
        {
            "label": np.array(["red", "green", "blue"])[(state + (noise > 1)) % 3],
            "code": (2 * state + rng.integers(0, 2, 600)) % 4,
            "tied": np.where(noise > 1.3, np.nan, np.round(2 * state + noise)),
            "free": np.round(state + rng.normal(size=600), 3),
        }
    )
    return table.iloc[rng.permutation(np.append(np.arange(600), np.arange(100)))]


@pytest.fixture
def few_drawn(monkeypatch):
    """Draw so few rows that EM has to go on with all of them."""
    monkeypatch.setattr("skpc._data.row_sample.MOST_ROWS", 128)
    monkeypatch.setattr("skpc._data.row_sample._LEAST_ROWS", 128)
