"""The models that peers.py compares, behind one small interface."""

# ruff: noqa: D102 - what overrides a method inherits its docstring

from __future__ import annotations

import importlib
import importlib.util
import itertools
from typing import Any, ClassVar

import numba
import numpy as np
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits
from throughput import encoded, prepare

from skpc import _threads as threads
from skpc._learning.initialisation import Start, draw_starts, learn_trees
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver
from skpc._learning.structure import Structure
from skpc._passes.likelihood import log_likelihood

BATCH = 256
TORCH = "pip install torch==2.13.0"


class Method:
    """What is measured: a density model that is trained update by update.

    Parameters
    ----------
    setting : str
        One of `settings`.
    seed : int
    """

    name: ClassVar[str]
    module: ClassVar[str]  # what has to be importable
    package: ClassVar[str]
    install: ClassVar[str]
    settings: ClassVar[tuple[str, ...]]
    batch = BATCH

    def __init__(self, setting: str, seed: int = 0) -> None:
        self.setting = setting
        self.seed = seed
        last = setting.split()[-1] if setting else ""
        self.number = float(last) if last.replace(".", "").isdigit() else 0.0
        self._random = np.random.RandomState(seed)
        self._order = np.empty(0, int)

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        """Learn the structure, draw parameters."""
        raise NotImplementedError

    def step(self) -> None:
        """Update the parameters once."""
        raise NotImplementedError

    def log_likelihood(self, X: np.ndarray) -> np.ndarray:
        """Log mass of each row, in nats."""
        raise NotImplementedError

    @property
    def steps_a_pass(self) -> int:
        """Updates in one pass over the training set."""
        return -(-len(self.train) // self.batch)

    def run_pass(self) -> None:
        """Go through the training set once."""
        for _ in range(self.steps_a_pass):
            self.step()

    def next_batch(self) -> Any:
        """The next rows of an order that is drawn anew for every pass."""
        if not len(self._order):
            self._order = self._random.permutation(len(self.train))
        rows, self._order = self._order[: self.batch], self._order[self.batch :]
        return self.train[rows]


class Skpc(Method):
    """HCLT of skpc, by stepwise EM as in its estimator; messages in float32.

    An update is a pass, since a circuit is left to be judged after each; the setting is where
    learning starts.
    """

    name, module, package, install = "skpc", "skpc", "skpc", "pip install skpc"
    settings = ("stepwise EM from clusters", "stepwise EM from random weights")
    n_jobs = -1
    steps_a_pass = 1

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        with threads.use_threads(self.n_jobs):
            rows = encoded(train).distinct()
            start = Start(n_latents, "random" if "random" in self.setting else "cluster")
            solver = Solver(
                MStep(mu=0.01, pseudocount=0.01), 1, 0.0, batch_size=100, dtype=np.float32
            )
            trees = learn_trees(rows, Structure(), start, solver, self._random)
            (self.circuit,) = draw_starts(trees, start, solver, self._random)
            self._updates = solver.updates(self.circuit, rows, self._random)

    def step(self) -> None:
        with threads.use_threads(self.n_jobs):
            self.circuit, _ = next(self._updates)

    def log_likelihood(self, X: np.ndarray) -> np.ndarray:
        with threads.use_threads(self.n_jobs):
            return log_likelihood(self.circuit, X)


class SkpcFullBatch(Skpc):
    """HCLT of skpc, by exact EM on all rows; an update is a pass."""

    name = "skpc, all rows"
    settings = ("EM",)
    steps_a_pass = 1

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        self.circuit, self._e_step = prepare(train, n_latents, "float32")
        self._m_step = MStep(mu=0.02, pseudocount=0.01)

    def step(self) -> None:
        with threads.use_threads(self.n_jobs):
            self.circuit = self._m_step(self.circuit, self._e_step(self.circuit))


class Cirkit(Method):
    """HCLT of cirkit, by Adam or by its EM."""

    name, module, package = "cirkit", "cirkit", "libcirkit"
    install = f"{TORCH} && pip install libcirkit"
    settings = ("Adam 0.01", "Adam 0.05", "EM 0.1")

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        import torch
        from cirkit.backend.torch.em_optimizer import EM
        from cirkit.pipeline import PipelineContext
        from cirkit.templates.data_modalities import tabular_data
        from cirkit.templates.utils import Parameterization, parameterization_to_factory

        torch.manual_seed(self.seed)
        self._torch, self._is_em = torch, self.setting.startswith("EM")
        self.train = torch.from_numpy(train.astype(np.int64))
        start = ("dirichlet", "none") if self._is_em else ("normal", "softmax")
        weights = Parameterization(*start)
        leaves = {"num_categories": 2, "probs_factory": parameterization_to_factory(weights)}
        symbolic = tabular_data(
            "chow-liu-tree",
            data=self.train,
            input_layers={"name": "categorical", "args": leaves},
            num_input_units=n_latents,
            sum_product_layer="cp-t",
            num_sum_units=n_latents,
            sum_weight_param=weights,
        )
        context = PipelineContext(backend="torch", semiring="lse-sum", fold=True, optimize=True)
        self._model = context.compile(symbolic)
        if self._is_em:
            self._optimizer = EM(self._model, lr=self.number, pseudocount=0.01)
        else:
            self._optimizer = torch.optim.Adam(self._model.parameters(), lr=self.number)

    def step(self) -> None:
        self._optimizer.zero_grad()
        values = self._model(self.next_batch())
        # Its EM maximises a sum, Adam minimises a mean.
        (values.sum() if self._is_em else -values.mean()).backward()
        self._optimizer.step()

    def log_likelihood(self, X: np.ndarray) -> np.ndarray:
        with self._torch.no_grad():
            parts = self._torch.from_numpy(X.astype(np.int64)).split(BATCH)
            return np.concatenate([self._model(part).numpy().ravel() for part in parts])


class Spflow(Method):
    """HCLT of SPFlow, by Adam or by its EM."""

    name, module, package = "spflow", "spflow.zoo.hclt", "spflow"
    install = f"{TORCH} && pip install spflow"
    settings = ("Adam 0.05", "EM")

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        import torch
        from spflow.learn.expectation_maximization import expectation_maximization
        from spflow.modules.sums import Sum
        from spflow.zoo.hclt import learn_hclt_binary

        torch.manual_seed(self.seed)
        self._torch, self._em = torch, expectation_maximization
        self.train = torch.from_numpy(train.astype(np.float32))
        self._model = learn_hclt_binary(self.train, num_hidden_cats=n_latents, init="uniform")
        for module in self._model.modules():
            if isinstance(module, Sum):
                module.logits.data.normal_()
        if self.number:
            self._optimizer = torch.optim.Adam(self._model.parameters(), lr=self.number)
        else:
            bytes_a_row = 8 * train.shape[1] * n_latents**2
            self.batch = min(len(train), max(BATCH, int(2e9) // bytes_a_row))

    def step(self) -> None:
        if not self.number:
            self._em(self._model, self.next_batch(), max_steps=1, bias_correction=False)
            return
        self._optimizer.zero_grad()
        (-self._model.log_likelihood(self.next_batch()).mean()).backward()
        self._optimizer.step()

    def log_likelihood(self, X: np.ndarray) -> np.ndarray:
        with self._torch.no_grad():
            parts = self._torch.from_numpy(X.astype(np.float32)).split(BATCH)
            return np.concatenate([self._model.log_likelihood(p).numpy().ravel() for p in parts])


class Sparc(Method):
    """HCLT of SparC, by its projected gradient ascent."""

    name, module, package, install = "sparc", "sparc", "sparc-pc", "pip install sparc-pc"
    settings = ("gradient 0.5", "gradient 0.1")

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        from sparc.optim import apply_grads
        from sparc.structures import HCLT
        from sparc.structures.distributions import Bernoulli

        self.train = train.astype(np.int32)
        self._apply = apply_grads
        self._root = HCLT(self.train, n_latents, num_bins=2, input_dist=Bernoulli(), seed=self.seed)
        self._compiled = self._root.compile()

    def step(self) -> None:
        _, gradients = self._compiled.mean_log_likelihood_and_grad(self.next_batch())
        self._apply(self._root, gradients, self.number, ascent=True)
        self._compiled.refresh_parameters()

    def log_likelihood(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._compiled.log_likelihood(X.astype(np.int32)))


class BernoulliMixture(Method):
    """Mixture of products of independent Bernoullis; an update is a pass."""

    name, module, package, install = "Bernoulli mixture", "numpy", "numpy", "pip install numpy"
    settings = ("components 1", "components 10")  # times K
    steps_a_pass = 1

    def prepare(self, train: np.ndarray, n_latents: int) -> None:
        self.train = train.astype(np.float64)
        n_components = int(self.number) * n_latents
        self._log_weights = np.full(n_components, -np.log(n_components))
        near = self.train[self._random.randint(len(train), size=n_components)]
        self._probs = 0.5 * near + 0.5 * self.train.mean(axis=0).clip(0.01, 0.99)

    def _joint(self, X: np.ndarray) -> np.ndarray:
        log_odds = np.log(self._probs) - np.log1p(-self._probs)
        return X @ log_odds.T + np.log1p(-self._probs).sum(axis=1) + self._log_weights

    def step(self) -> None:
        posterior = self._joint(self.train)
        np.exp(posterior - posterior.max(axis=1, keepdims=True), out=posterior)
        posterior /= posterior.sum(axis=1, keepdims=True)
        counts = posterior.sum(axis=0)
        smooth = 0.1 * self.train.mean(axis=0).clip(0.01, 0.99)  # a tenth of an average row
        self._probs = (posterior.T @ self.train + smooth) / (counts[:, None] + 0.1)
        self._log_weights = np.log((counts + 0.1) / (counts + 0.1).sum())

    def log_likelihood(self, X: np.ndarray) -> np.ndarray:
        return logsumexp(self._joint(X.astype(np.float64)), axis=1)


METHODS = [SkpcFullBatch, Skpc, Cirkit, Sparc, Spflow, BernoulliMixture]


def warm_up(method: type[Method]) -> None:
    """Import and compile all that `method` uses; check that its masses sum to one."""
    worlds = np.array(list(itertools.product([0, 1], repeat=5)), np.uint8)
    train = worlds[np.random.RandomState(0).randint(32, size=600) % 27]
    for setting in method.settings:
        model = method(setting)
        model.prepare(train, 3)
        model.run_pass()
        total = np.exp(model.log_likelihood(worlds).astype(float)).sum()
        if abs(total - 1) > 1e-4:
            raise ArithmeticError(f"{method.name}, {setting}: masses sum to {total}.")


def usable(names: list[str]) -> list[type[Method]]:
    """The methods that are asked for and can be imported."""
    found = []
    for method in METHODS:
        if method.name not in names:
            continue
        try:
            importlib.import_module(method.module)
        except ImportError:
            print(f"{method.name} is skipped, as it cannot be imported: {method.install}")
            continue
        warm_up(method)
        found.append(method)
    return found


def use_threads(n_threads: int) -> None:
    """Set the threads of skpc and Numba, BLAS and, if they are there, of torch and SparC."""
    numba.set_num_threads(n_threads)
    Skpc.n_jobs = n_threads
    threadpool_limits(n_threads)
    for module in ("torch", "sparc"):
        if importlib.util.find_spec(module):
            importlib.import_module(module).set_num_threads(n_threads)
