"""Learning by gradient: Adam on the mean negative log-likelihood plus mu times the mean trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._kernels.mstep import WEIGHT_FLOOR
from skpc._learning.journal import check_form
from skpc._learning.minibatches import Batches
from skpc._learning.progress import FitResult, Progress, Update, Updates, follow
from skpc._passes.blocks import Block
from skpc._passes.counts import ExpectedCounts, add_up
from skpc._passes.tangents import Linearisation

_DECAY_OF_MEAN = 0.9
_DECAY_OF_SQUARE = 0.999
_EPSILON = 1e-8
_LARGEST_MU = 2.0**30


def fit_adam(
    circuit: Circuit,
    progress: Progress,
    batches: Batches,
    mu: float,
    pseudocount: float,
    step_size: float,
    max_iter: int,
    random_state: np.random.RandomState,
) -> FitResult:
    """Minimise the mean of -log p plus `mu` times the mean Hessian trace, by Adam.

    Weights and category probabilities are softmaxes of free parameters. Both gradients are
    exact: that of the likelihood is the flows, that of the trace a Hessian-vector product,
    which needs batches by row. The step size falls to a fiftieth over the `max_iter` epochs
    along half a cosine. `pseudocount` only decides the mass of categories never seen, which
    is that of one without counts among those of the last epoch.

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """
    updates = AdamUpdates(circuit, batches, mu, pseudocount, step_size, max_iter, random_state)
    return replace(follow(progress, updates, max_iter), is_stepwise=True, has_schedule=True)


class AdamUpdates(Updates):
    """Updates of a circuit epoch by epoch, `max_iter` of them, as `fit_adam` says."""

    def __init__(
        self,
        circuit: Circuit,
        batches: Batches,
        mu: float,
        pseudocount: float,
        step_size: float,
        max_iter: int,
        random_state: np.random.RandomState,
    ) -> None:
        # A step does not depend on the unit of what is descended on, and gradients are squared.
        unit = 1.0
        if mu > _LARGEST_MU:
            mu, unit = _LARGEST_MU, float(_LARGEST_MU / min(mu, 1e300))
        self._circuit = circuit
        self._batches = batches
        self._mu, self._unit = mu, unit
        self._pseudocount = pseudocount
        self._step_size, self._max_iter = step_size, max_iter
        self._random_state = random_state
        self._parameters = free_parameters(circuit)
        self._climb = Climb(self._parameters)
        self._epoch = 0

    def __next__(self) -> Update:
        if self._epoch == self._max_iter:
            raise StopIteration
        circuit, parameters = self._circuit, self._parameters
        log_likelihood = 0.0
        seen: list[np.ndarray] = []
        step = self._step_size * annealed(self._epoch / self._max_iter)
        for batch in self._random_state.permutation(len(self._batches)):
            ascent, counts = _ascent(circuit, self._batches, batch, self._mu, self._unit)
            log_likelihood += counts.log_likelihood
            seen = (
                [a + b for a, b in zip(seen, counts.inputs, strict=True)] if seen else counts.inputs
            )
            self._climb(parameters, ascent, step)
            circuit = with_free_parameters(circuit, parameters)
            parameters = free_parameters(circuit)  # no further than where the floors are
        inputs = circuit.inputs.with_unseen(seen, self._pseudocount)
        self._circuit, self._parameters = circuit.replaced(inputs=inputs), parameters
        self._epoch += 1
        return self._circuit, log_likelihood / float(self._batches.weights.sum())

    def state(self, is_over: bool) -> dict[str, Any]:
        random = {"random": self._random_state.get_state(legacy=False)}
        if is_over:
            return random
        return {
            **random,
            "circuit": self._circuit,
            "parameters": self._parameters,
            "climb": vars(self._climb),
            "epoch": self._epoch,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._random_state.set_state(state["random"])
        if "circuit" in state:
            check_form(state["circuit"], self._circuit)
            check_form(state["parameters"], self._parameters)
            check_form(state["climb"], vars(self._climb))
            self._circuit, self._parameters = state["circuit"], state["parameters"]
            vars(self._climb).update(state["climb"])
            self._epoch = state["epoch"]


class Climb:
    """Adam's steps: what it remembers of gradients so far (Kingma and Ba, 2015).

    Parameters
    ----------
    parameters : sequence of arrays
        Their shapes and dtypes.
    decay_of_square : float
    """

    def __init__(
        self, parameters: Sequence[np.ndarray], decay_of_square: float = _DECAY_OF_SQUARE
    ) -> None:
        self._means = [np.zeros_like(part) for part in parameters]
        self._squares = [np.zeros_like(part) for part in parameters]
        self._decay_of_square = decay_of_square
        self._n_updates = 0

    def __call__(
        self, parameters: Sequence[np.ndarray], ascent: Sequence[np.ndarray], step: float
    ) -> None:
        """Change parameters in place along a gradient, by about `step`."""
        self._n_updates += 1
        decay = self._decay_of_square
        bias = float(
            np.sqrt(1.0 - decay**self._n_updates) / (1.0 - _DECAY_OF_MEAN**self._n_updates)
        )
        for parameter, gradient, mean, square in zip(
            parameters, ascent, self._means, self._squares, strict=True
        ):
            mean += (1.0 - _DECAY_OF_MEAN) * (gradient - mean)
            square += (1.0 - decay) * (gradient**2 - square)
            parameter += step * bias * mean / (np.sqrt(square) + _EPSILON)


def annealed(progress: float) -> float:
    """Factor of the step size after this share of all epochs: from 1 to 1/50, half a cosine."""
    return float(0.02 + 0.49 * (1.0 + np.cos(np.pi * progress)))


def _ascent(
    circuit: Circuit, batches: Batches, batch: int, mu: float, unit: float = 1.0
) -> tuple[list[np.ndarray], ExpectedCounts]:
    """Gradient in `free_parameters` to ascend on a batch, and its expected counts.

    That of `unit` times the log-likelihood less the penalty.
    """
    if mu > 0:
        blocks = [_penalised(circuit, block, mu, unit) for block in batches.blocks(batch)]
        counts = add_up(counts for counts, _ in blocks)
        ascent = add_up(ascent for _, ascent in blocks)
    else:
        counts = ascent = batches.expected_counts(batch, circuit)
    below = circuit.parents >= 0
    gradient = [
        _through_softmax(ascent.root, circuit.root_weights),
        _through_softmax(ascent.sums[below], circuit.sum_weights[below]),
        *circuit.inputs.free_gradient(ascent.inputs),
    ]
    return [part / batches.weights[batch] for part in gradient], counts


def _penalised(
    circuit: Circuit, block: Block, mu: float, unit: float = 1.0
) -> tuple[ExpectedCounts, ExpectedCounts]:
    """Expected counts, and `unit` times these less `mu` times those of the trace's gradient."""
    linearisation = Linearisation(circuit, block.evidence, block.patterns)
    counts = linearisation.counts
    tangent = linearisation.along_gradients(with_symbols=True)
    changes = circuit.inputs.summarize(block.evidence, tangent.symbols)
    ascent = replace(
        counts,
        root=unit * counts.root - 2.0 * mu * circuit.root_weights * tangent.root,
        sums=unit * counts.sums - 2.0 * mu * circuit.sum_weights * tangent.sums,
        inputs=[unit * a - 2.0 * mu * b for a, b in zip(counts.inputs, changes, strict=True)],
    )
    return counts, ascent


def _through_softmax(flows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gradient in logits from weights times the gradient in weights."""
    return flows - weights * flows.sum(axis=-1, keepdims=True)


def free_parameters(circuit: Circuit) -> list[np.ndarray]:
    """Arrays of real numbers that say what the parameters are."""
    below = circuit.parents >= 0
    weights = [circuit.root_weights, circuit.sum_weights[below]]
    return [*(np.log(part) for part in weights), *circuit.inputs.free_parameters()]


def with_free_parameters(circuit: Circuit, parameters: list[np.ndarray]) -> Circuit:
    """The circuit with other `free_parameters`."""
    root, below, *inputs = parameters
    sum_weights = circuit.sum_weights.copy()
    sum_weights[circuit.parents >= 0] = _softmax(below)
    return circuit.replaced(
        root_weights=_softmax(root),
        sum_weights=sum_weights,
        inputs=circuit.inputs.with_free_parameters(inputs),
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.maximum(weights / weights.sum(axis=-1, keepdims=True), WEIGHT_FLOOR)
