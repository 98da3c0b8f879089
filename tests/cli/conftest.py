"""A table in a file, and a model of it."""

import pytest
from command_line import main, table


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.csv"
    table().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def model(data):
    path = data.with_name("model.joblib")
    assert main(["fit", str(data), "-o", str(path), "--n-latents", "3", "--max-iter", "30"]) == 0
    return path
