"""Circuits for other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._circuit.circuit import Circuit
from skpc._circuit.input_format import StoredInput, parts_of, stored
from skpc._circuit.tree import children_of, levels_of
from skpc._data.scope import BINOMIAL, CATEGORICAL, GAUSSIAN

_LEAST = 1e-30


def to_cirkit(circuit: Circuit) -> Any:
    """The circuit as a symbolic circuit of the library cirkit, which PyTorch runs and trains.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`. Its columns must be categorical, binomial or
        Gaussian, and those of a region independent in each state.

    Returns
    -------
    cirkit.symbolic.circuit.Circuit
        With one output, the likelihood. A category is its position among the
        column's categories, from 0, for cirkit knows no others; where they are 0, 1 and so on
        nothing changes. There is no mass for values never seen. Parameters are logits, logarithms
        of standard deviations and means: trained, they stay distributions.

    Raises
    ------
    ImportError
        If cirkit is not installed.
    ValueError
        If a region has a distribution that cirkit does not know.

    Notes
    -----
    A ``cirkit.pipeline.PipelineContext(semiring="lse-sum")`` compiles it to a module of PyTorch
    that gives log-likelihoods, with numbers of PyTorch's default dtype;
    ``cirkit.backend.torch.queries.IntegrateQuery`` sums missing values out.

    References
    ----------
    The APRIL Lab, "cirkit", https://github.com/april-tools/cirkit.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import to_cirkit
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> context = cirkit.pipeline.PipelineContext(semiring="lse-sum")  # doctest: +SKIP
    >>> module = context.compile(to_cirkit(circuit))  # doctest: +SKIP
    >>> log_likelihoods = module(torch.tensor(X))  # doctest: +SKIP
    """
    if not isinstance(circuit, Circuit):
        raise ValueError(
            "circuit must be a Circuit, such as a fitted estimator's circuit_; got a "
            f"{type(circuit).__name__}."
        )
    regions = [parts_of(region) for region in stored(circuit.inputs)]
    for number, parts in enumerate(regions):
        for part in parts:
            _check_part(number, part)
    try:
        from cirkit.symbolic import circuit as symbolic
        from cirkit.symbolic import layers
    except ImportError as error:
        raise ImportError(
            "to_cirkit makes a circuit of the library cirkit, which is not installed: pip install "
            "libcirkit."
        ) from error
    below: dict[Any, list[Any]] = {}  # the inputs of each layer

    def added(layer: Any, *inputs: Any) -> Any:
        below[layer] = list(inputs)
        return layer

    def product(factors: list[Any]) -> Any:
        if len(factors) == 1:
            return factors[0]
        return added(layers.HadamardLayer(circuit.n_latents, arity=len(factors)), *factors)

    start, children = children_of(circuit.parents)
    sums: dict[int, Any] = {}  # of each region below which something is observed
    tops = {}
    bottomup, _ = levels_of(circuit.parents, from_leaves=True)
    for region in bottomup.tolist():
        layers_of_parts = (_input_layers(part, circuit.n_latents) for part in regions[region])
        own = [added(layer) for some in layers_of_parts for layer in some]
        under = children[start[region] : start[region + 1]].tolist()
        factors = own + [sums[child] for child in under if child in sums]
        if not factors:
            continue  # one in every state, and so is what is above it
        top = product(factors)
        if circuit.parents[region] < 0:
            tops[region] = top
            continue
        weight = _logits(circuit.sum_weights[region])
        n_latents = circuit.n_latents
        sums[region] = added(layers.SumLayer(n_latents, n_latents, weight=weight), top)
    roots = [tops[region] for region in circuit.roots.tolist()]
    weight = _logits(circuit.root_weights[None])
    output = added(layers.SumLayer(circuit.n_latents, 1, arity=len(roots), weight=weight), *roots)
    return symbolic.Circuit(list(below), below, [output])


def _check_part(number: int, region: StoredInput) -> None:
    if region.kind not in (None, CATEGORICAL, BINOMIAL, GAUSSIAN):
        raise ValueError(
            f"kind of region {number} is {shown(region.kind)}, which cirkit does not know. Leave "
            f"its columns {region.columns.tolist()} out with marginal."
        )
    if region.kind == GAUSSIAN:
        covariances = region.arrays["covariances"]
        if covariances[:, ~np.eye(len(region.columns), dtype=bool)].any():
            raise ValueError(
                f"region {number}, of kind 'gaussian', has columns {region.columns.tolist()} that "
                "depend on each other in a state, and cirkit has Gaussians of one column alone. "
                "Keep one of them with marginal, or fit without feature_groups."
            )


def _input_layers(region: StoredInput, n_latents: int) -> list[Any]:
    """One layer for each column that a region observes."""
    from cirkit.symbolic.layers import CategoricalLayer, GaussianLayer
    from cirkit.symbolic.parameters import ExpParameter, Parameter
    from cirkit.utils.scope import Scope

    if region.kind is None:
        return []
    arrays = region.arrays
    if region.kind != GAUSSIAN:
        probs = arrays["probs"].T
        if probs.shape[1] == 1:  # it wants two categories at least
            probs = np.hstack([probs, np.full_like(probs, _LEAST)])
        return [
            CategoricalLayer(
                Scope(region.columns.tolist()),
                n_latents,
                num_categories=probs.shape[1],
                probs=_logits(probs),
            )
        ]
    units = arrays.get("units", 1.0)
    means = arrays["means"] * units
    deviations = np.sqrt(np.diagonal(arrays["covariances"], axis1=1, axis2=2)) * units
    return [
        GaussianLayer(
            Scope([column]),
            n_latents,
            mean=Parameter.from_input(_tensor(means[:, i])),
            stddev=Parameter.from_unary(
                ExpParameter((n_latents,)), _tensor(np.log(deviations[:, i]))
            ),
        )
        for i, column in enumerate(region.columns.tolist())
    ]


def _logits(weights: np.ndarray) -> Any:
    """Distributions over the last axis as a parameter that stays so."""
    from cirkit.symbolic.parameters import Parameter, SoftmaxParameter

    return Parameter.from_unary(SoftmaxParameter(weights.shape), _tensor(np.log(weights)))


def _tensor(values: np.ndarray) -> Any:
    from cirkit.symbolic.initializers import ConstantTensorInitializer
    from cirkit.symbolic.parameters import TensorParameter

    start = ConstantTensorInitializer(np.ascontiguousarray(values))
    return TensorParameter(*values.shape, initializer=start)
