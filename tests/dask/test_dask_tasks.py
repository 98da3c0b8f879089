"""What workers do with a partition: results that are computed again must be the same."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
from dask.sizeof import sizeof
from helpers import parts_of

from skpc import SharpPCDensity
from skpc._dask import tasks
from skpc._dask.cluster import Cluster
from skpc._data.rows import Rows
from skpc._estimators.parts import N_BATCHES
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._tables.columns import Columns


def learnt(n_latents, n_columns):
    """A circuit, rows with repetitions and missing values, and the plan to link them."""
    X = np.random.default_rng(n_columns).integers(0, 3, (60, n_columns)).astype(float)
    X[5:9, 1] = np.nan
    X[30:40] = X[:10]
    model = SharpPCDensity(n_latents, max_iter=3, random_state=0).fit(X)
    plan = tasks.Plan(model.circuit_, model._columns.scopes, Solver(MStep(0.1), 5, 0.0))
    return model.circuit_, X, plan


def rows_of(X, plan):
    return Rows.encode(X, plan.scopes, np.ones(len(X))).distinct()


@pytest.fixture(scope="module")
def prepared():
    """A circuit, rows, two partitions of them, and the plan to link them."""
    circuit, X, plan = learnt(2, 4)
    return circuit, X, [rows_of(x, plan) for x in (X[:25], X[25:])], plan


def bits(counts):
    return {name: pickle.dumps(value) for name, value in parts_of(counts)}


def test_counts_of_partitions_add_up_and_are_not_changed(prepared):
    circuit, X, parts, plan = prepared
    linked = [tasks.linked({3: rows}, plan) for rows in parts]
    counts = [tasks.expected_counts(part, 3, circuit) for part in linked]
    assert tasks.expected_counts(linked[0], 2, circuit) is None
    before = deepcopy(counts)
    total = tasks.added_counts([None, *counts])
    assert [*map(bits, counts)] == [*map(bits, before)]
    expected = plan.solver.new_e_step(circuit, rows_of(X, plan))(circuit)
    for (name, found), (_, one) in zip(parts_of(total), parts_of(expected), strict=True):
        if one is not None:
            assert np.allclose(found, one, rtol=1e-12), name
    assert tasks.added_counts([None, None]) is None
    assert bits(tasks.added_counts([total])) == bits(total)


def test_steps_that_travel_or_follow_others_give_the_same_bits(prepared):
    """The room for messages is lent from one to the next, of whatever circuit."""
    circuit, _, parts, plan = prepared
    first, second = (tasks.linked({0: rows}, plan) for rows in parts)
    expected = bits(tasks.expected_counts(second, 0, circuit))
    other, X, plan = learnt(9, 5)  # whose messages are wider
    between = tasks.linked({0: rows_of(X, plan)}, plan)
    for step in first, between, first, pickle.loads(pickle.dumps(second)):
        found = tasks.expected_counts(step, 0, other if step is between else circuit)
    assert bits(found) == expected


def test_judges_of_partitions_give_the_mean_of_all_rows(prepared):
    circuit, X, parts, plan = prepared
    judges = [pickle.loads(pickle.dumps(tasks.judging({0: rows}, plan))) for rows in parts]
    total, weight = tasks.added_means([tasks.judged(one, circuit) for one in [*judges, None]])
    expected = tasks.judged(tasks.judging({0: rows_of(X, plan)}, plan), circuit)
    assert weight == len(X)
    assert np.isclose(total, expected.total, rtol=1e-12)


def test_partitions_without_rows_say_so():
    X = np.ones((3, 2))
    columns = Columns.learn(np.array([[0.0, 1.0], [1.0, 0.0]]))
    for table, weights in [(X[:0], None), (X, np.zeros(3)), (X[:0], np.empty(0))]:
        assert tasks.summary_of(table, weights, "auto", "here") is None
        part = tasks.encoded(table, weights, tasks.unfinished(columns), 10, 2, "here")
        assert part.rows == tasks.linked(part.rows, None).e_steps == {}
        assert len(part.drawn.sample.keys) == 0
        assert part.drawn.sample.is_complete
        assert part.drawn.weights.tolist() == [0.0, 0.0]
    assert tasks.judging({}, None) is None
    assert tasks.merged_summaries([None, None]) is None


def test_dask_knows_the_size_of_what_it_keeps(prepared):
    _, X, (rows, _), plan = prepared
    part = tasks.linked({0: rows}, plan)
    assert sizeof(part) == sizeof(part.e_steps[0]) == part.e_steps[0].nbytes > 100
    assert sizeof(rows) == rows.nbytes > 100
    counts = tasks.expected_counts(part, 0, plan.circuit)
    assert abs(sizeof(counts) - len(pickle.dumps(counts))) < 2000
    assert part.room is not None
    assert pickle.loads(pickle.dumps(part)).room is None
    columns = Columns.learn(X)
    encoded = tasks.encoded(X, None, tasks.unfinished(columns), 7, 1, "here")
    sample = encoded.drawn.sample
    assert sizeof(sample) == 7 * 8 * (X.shape[1] + 2)
    assert sizeof(encoded) == sizeof(sample) + encoded.rows[0].nbytes


def test_batches_have_all_rows(prepared):
    X = prepared[1]
    columns = Columns.learn(X)
    weights = np.arange(1.0, 61.0)
    part = tasks.encoded(X, weights, tasks.unfinished(columns), 1000, N_BATCHES, "here")
    assert len(part.rows) > 5
    found = np.array([part.rows[b].total_weight if b in part.rows else 0 for b in range(N_BATCHES)])
    assert np.array_equal(found, part.drawn.weights)
    assert found.sum() == weights.sum() == part.drawn.sample.weights.sum()
    assert sum(len(rows) for rows in part.rows.values()) == len(part.drawn.sample.weights)


def test_merges_are_a_tree_that_depends_on_the_number_of_parts_alone(client):
    rng = np.random.default_rng(0)
    terms = rng.normal(size=67) * 10.0 ** rng.integers(-8, 8, 67)
    means = [tasks.MeanParts(float(term), 1.0) for term in terms]
    level = [float(term) for term in terms]
    while len(level) > 1:
        level = [sum(level[first : first + 8]) for first in range(0, len(level), 8)]
    with Cluster(client) as cluster:
        parts = [cluster.put(one) for one in means]
        assert cluster.merged(tasks.added_means, parts) == (level[0], 67.0)
        assert cluster.merged(tasks.added_means, parts[:1]) == means[0]


def test_tasks_go_where_they_are_sent_unless_nobody_is_there(client):
    with Cluster(client) as cluster:
        held = [cluster.put(number) for number in range(6)]
        places = cluster.places(held)
        assert all(len(where) == 1 for where in places)
        sent = [
            cluster.submit(tasks.same, one, workers=w) for one, w in zip(held, places, strict=True)
        ]
        assert [cluster.result(one) for one in sent] == [*range(6)]
        assert cluster.places(sent) == places
        assert cluster.result(cluster.submit(tasks.same, 7, workers=["tcp://127.0.0.1:1"])) == 7


def test_what_a_task_raises_is_not_taken_for_a_lost_scheduler(client):
    with Cluster(client) as cluster, pytest.raises(TimeoutError, match="the store is asleep"):
        cluster.result(cluster.submit(_fail))


def _fail():
    raise TimeoutError("the store is asleep")
