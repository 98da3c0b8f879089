"""What is told of an outlier in which no value, and no pair of values, stands out."""

from itertools import combinations

import numpy as np
import pandas
import pytest

from skpc import SharpPCDensity, SharpPCOutlierDetector, WeakEvidence
from skpc._outliers.expert import Expert
from skpc._outliers.explanations import rarest
from skpc._passes.likelihood import log_likelihood
from skpc._queries.surprises import usual_rows


def expert_of(X, seed):
    density = SharpPCDensity(3, mu=0.0, max_iter=10, feature_types="categorical", random_state=seed)
    return Expert(density.fit(X).circuit_, 0.5, np.zeros(X.shape[1]))


def log_probability(circuit, row, columns):
    """Of these values of a row alone: the others are missing."""
    alone = np.full((1, len(row)), np.nan)
    alone[0, columns] = row[columns]
    return log_likelihood(circuit, alone)[0]


@pytest.mark.parametrize("seed", range(6))
def test_the_rarest_part_of_a_row_is_that_of_all_its_values_and_pairs(seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, (150, 1))
    X = np.where(rng.random((150, 5)) < 0.7, group, rng.integers(0, 3, (150, 5))).astype(float)
    experts = [expert_of(X[::2], 0), expert_of(X[1::2], 1)]
    row = X[seed].copy()
    row[seed % 5] = np.nan
    shown = np.flatnonzero(~np.isnan(row)).tolist()
    candidates = {}
    for expert in experts:
        circuit = expert.circuit
        own = {j: log_probability(circuit, row, [j]) for j in shown}
        drawn = usual_rows(circuit, 5)
        for j in shown:
            usual = np.mean([log_probability(circuit, one, [j]) for one in drawn])
            candidates[j,] = candidates.get((j,), 0.0) + (usual - own[j]) / 2
        for i, j in combinations(shown, 2):
            both = log_probability(circuit, row, [i, j])
            candidates[i, j] = candidates.get((i, j), 0.0) + (own[i] + own[j] - both) / 2
    found = rarest(experts, row)
    worst = max(candidates, key=candidates.get)
    if candidates[worst] < 0.1:  # that is, below 1.1 times
        assert found is None
        return
    assert found.columns == worst
    assert found.nats == pytest.approx(candidates[worst], rel=1e-9)


def test_nothing_is_told_of_a_row_in_which_nothing_is_rare():
    X = np.zeros((40, 2))
    X[0] = 1.0
    expert = expert_of(X, 0)
    assert rarest([expert], np.zeros(2)) is None
    assert rarest([expert], np.full(2, np.nan)) is None
    assert rarest([expert], np.ones(2)).nats > 1.0


def table(seed):
    """Labels that mostly go together, in one table of three beside numbers."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = int(rng.integers(60, 300)), int(rng.integers(2, 6))
    group = rng.integers(0, 5, (n_rows, 1)) ** 2 // 4
    own = rng.integers(0, 4, (n_rows, n_columns))
    codes = np.where(rng.random((n_rows, n_columns)) < 0.8, group, own)
    frame = pandas.DataFrame(np.array(list("abcdefg"))[codes]).add_prefix("column ")
    if seed % 3 == 0:
        frame["number"] = np.round(group[:, 0] + rng.normal(size=n_rows), 1)
    return frame


@pytest.mark.parametrize("seed", range(6))
def test_something_is_named_of_every_flagged_row(seed):
    frame = table(seed)
    model = SharpPCOutlierDetector(contamination=0.1, random_state=seed).fit(frame)
    flagged = frame[model.predict(frame) == -1]
    assert len(flagged)
    for found in map(model.explain, (flagged.iloc[i] for i in range(min(len(flagged), 12)))):
        assert (found.weak_evidence is None) == bool(found.values or found.pairs)
        if found.weak_evidence is not None:
            assert str(found).endswith(f"improbable. Most unusual: {found.weak_evidence}.")
    usual = model.explain(frame.iloc[model.score_samples(frame).argmax()])
    assert usual.weak_evidence is None


def test_rare_values_that_go_together_are_told_by_their_column():
    """The payments of the second account have all that those of the first have."""
    rng = np.random.default_rng(0)
    shop = rng.choice(["grocer", "baker", "landlord"], 300, p=[0.6, 0.3, 0.1])
    account = rng.choice(["first", "second"], 300, p=[0.85, 0.15])
    frame = pandas.DataFrame({"shop": shop, "account": account})
    model = SharpPCOutlierDetector(contamination=0.03, random_state=0).fit(frame)
    found = model.explain({"shop": "landlord", "account": "second"})
    assert found.is_outlier
    assert (found.values, found.pairs) == ((), ())
    assert found.weak_evidence.features in [("shop",), ("account",)]
    assert str(found).endswith(" times rarer than is usual in this column.")


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        (
            WeakEvidence(("a", "b"), ("x", 2.0), np.log(5.2)),
            "a x with b 2, 5 times rarer than by chance",
        ),
        (
            WeakEvidence(("b",), (0.25,), np.log(1.34)),
            "b 0.25, 1.3 times rarer than is usual in this column",
        ),
        (
            WeakEvidence(("b",), (7,), 1e100),
            "b 7, over 1000 times rarer than is usual in this column",
        ),
    ],
)
def test_sentences(evidence, sentence):
    assert str(evidence) == sentence
