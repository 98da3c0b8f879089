"""What mypy tells users: types of fitted estimators and of answers, and options that are none."""

import re
from pathlib import Path

import pytest
from mypy import api

SETTINGS = Path(__file__).parent.parent / "setup.cfg"
HEAD = """
import numpy as np
import skpc
X = np.zeros((4, 2))
"""
ARRAY = "ndarray[tuple[Any, ...], dtype[Any]]"
FITTED = "skpc.SharpPCDensity().fit(X)"
SEARCH = "skpc.SharpPCDensityCV().fit(X)"

TYPES = {
    FITTED: "SharpPCDensity",
    f"{FITTED}.score_samples(X)": ARRAY,
    f"{FITTED}.score(X)": "float",
    f"{FITTED}.conditional_probabilities(X, 0)": ARRAY,
    f"{FITTED}.conditional_moments(X, 0).mean": ARRAY,
    f"{FITTED}.circuit_": "Circuit",
    f"{FITTED}.categories_": f"list[{ARRAY} | None]",
    f"{FITTED}.feature_names_in_": ARRAY,
    f"{FITTED}.marginal([0]).partial_fit(X)": "SharpPCDensity",
    SEARCH: "SharpPCDensityCV",
    f"{SEARCH}.score_samples(X)": ARRAY,
    f"{SEARCH}.circuit_": "Circuit",
    f"{SEARCH}.best_estimator_": "SharpPCDensity",
    f"{SEARCH}.best_params_": "dict[str, Any]",
    "skpc.SharpPCImputer().fit(X).density_": "SharpPCDensity",
    "skpc.SharpPCOutlierDetector().fit(X).predict(X)": ARRAY,
    "skpc.SharpPCOutlierDetector().fit(X).mu_": "float",
    "skpc.SharpPCClassifier().fit(X, [0]).predict_proba(X)": ARRAY,
}

MISTAKES = {
    'skpc.SharpPCDensity(init="foo")': "expected \"Literal['cluster', 'random']\"",
    'skpc.SharpPCDensity(structure="tree")': "expected \"Literal['chow-liu',",
    'skpc.SharpPCDensity(dtype="int8")': "expected \"Literal['float64', 'float32']\"",
    'skpc.SharpPCImputer(strategy="mean")': "expected \"Literal['median_mode',",
    'skpc.SharpPCOutlierDetector(criterion="x")': "expected \"Literal['auto',",
    'skpc.SharpPCClassifier(joint="never")': "expected \"bool | Literal['auto']\"",
    f"{SEARCH}.score_samples()": "Too few arguments",
    f"{FITTED}.score_samples(X).totals": 'has no attribute "totals"',
}


@pytest.mark.slow  # mypy reads all of the package first
def test_mypy_knows_types_after_fit_and_options(tmp_path):
    lines = [*HEAD.strip().splitlines(), *(f"reveal_type({code})" for code in TYPES), *MISTAKES]
    snippet = tmp_path / "snippet.py"
    snippet.write_text("\n".join(lines))
    out, _, _ = api.run(["--config-file", str(SETTINGS), "--hide-error-context", str(snippet)])
    found = dict(re.findall(r"snippet\.py:(\d+): (.*)", out))
    first = len(lines) - len(TYPES) - len(MISTAKES) + 1
    for number, (code, expected) in enumerate([*TYPES.items(), *MISTAKES.items()], first):
        told = re.sub(r"\b(?:\w+\.)+(?=\w)", "", found.pop(str(number), "nothing"))
        if code in TYPES:
            assert told == f'note: Revealed type is "{expected}"', code
        else:
            assert told.startswith("error: "), code
            assert expected in told, code
    assert not found
