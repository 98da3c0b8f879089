"""Estimators that hold a density: their template, and what they pass on to the fitted one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

import numpy as np
from sklearn.base import clone
from sklearn.utils import Tags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skpc._checks import shown
from skpc._estimators.base import StoredMixin
from skpc._estimators.callbacks import CallbackSupportMixin
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.with_indicators import learns_missingness
from skpc._tables.validation import asked

if TYPE_CHECKING:
    from skpc._circuit.circuit import Circuit
    from skpc._tables.columns import Columns

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

_ATTRIBUTES = (
    "_columns",
    "best_iteration_",
    "categories_",
    "circuit_",
    "converged_",
    "feature_types_",
    "fit_report_",
    "log_likelihoods_",
    "mu_",
    "n_iter_",
    "n_latents_",
    "n_parameters",
    "validation_log_likelihoods_",
    "validation_run_log_likelihoods_",
)


class ComposedMixin(StoredMixin, CallbackSupportMixin):
    """An estimator whose parameter `estimator` is a density, which it clones and never changes."""

    estimator: Any
    random_state: Any
    _accepted: ClassVar[str] = "a SharpPCDensity or None"
    _learns_missingness: ClassVar[bool] = False
    _takes_missingness: ClassVar[bool] = False  # in the place of the density
    _for_missingness: ClassVar[str] = ""  # what to do instead
    _default_density: ClassVar[dict[str, Any]] = {}  # parameters of the one that None stands for

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = not learns_missingness(self.estimator)
        return tags

    def _new_density(self, seeds: np.random.RandomState | None = None) -> SharpPCDensity:
        """An unfitted copy of the template for our columns, once its parameters are valid.

        Parameters
        ----------
        seeds : RandomState or None
            Where it gets a seed from if it has none.
        """
        density = clone(self._template())
        density._validate_params()
        if seeds is not None and density.random_state is None:
            density.random_state = drawn_seed(seeds)
        share_names(self, density)
        return density

    def _seeded_density(self, has_validation_rows: bool) -> SharpPCDensity:
        """An unfitted copy of the template, whose seed is ours if it has none."""
        density = self._new_density()
        if density.random_state is None:
            seed = self.random_state
            is_seed = isinstance(seed, Integral)
            density.random_state = seed if is_seed else drawn_seed(check_random_state(seed))
        density._refuse_inert(has_validation_rows)
        return density

    def _template(self) -> SharpPCDensity:
        """The density to copy."""
        template = self.estimator
        if template is None:
            return SharpPCDensity(**self._default_density)
        if self._takes_missingness and learns_missingness(template):
            template._validate_params()
            density = template._template()
            if density.random_state is None:
                density = clone(density).set_params(random_state=template.random_state)
            return density
        if not isinstance(template, SharpPCDensity):
            raise ValueError(
                f"estimator must be {self._accepted}; got {_named(template)}. "
                f"{self._remedy(template)}"
            )
        if template.warm_start:
            raise ValueError(
                f"warm_start=True cannot act in the estimator of a {type(self).__name__}, which "
                "fits new copies of it. Set warm_start=False."
            )
        return template

    def _remedy(self, template: Any) -> str:
        """What to pass instead of something that is no density."""
        own = type(self).__name__
        if isinstance(template, type):
            return f"Pass an instance, such as {own}(SharpPCDensity())."
        if isinstance(template, Integral):
            return (
                f"Latent states, as all that decides how the density learns, are set there: pass "
                f"{own}(SharpPCDensity(n_latents={shown(template)}))."
            )
        if learns_missingness(template) and self._for_missingness:
            return self._for_missingness
        if isinstance(template, ComposedMixin):
            return (
                f"That holds a density itself: pass the density, such as {own}(SharpPCDensity())."
            )
        return f"Pass {own}(SharpPCDensity()), with the parameters that you want."


def _passed_on(
    query: Callable[Concatenate[Any, _Arguments], _Answer],
) -> Callable[Concatenate[Any, _Arguments], _Answer]:
    """A method that has the fitted density answer."""

    @wraps(query)
    def ask(self: DelegatingMixin, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        density = self._fitted_density()
        with asked(self):
            answer: _Answer = getattr(density, query.__name__)(*args, **kwargs)
        return answer

    method: Any = available_if(lambda self: self._has_queries())(ask)
    return method


class DelegatingMixin(ComposedMixin):
    """What a fitted density can be asked, of an estimator that holds one."""

    _held: ClassVar[str]  # the name of the attribute with the fitted density

    if TYPE_CHECKING:  # what `__getattr__` passes on
        _columns: Columns
        best_iteration_: int | None
        categories_: list[np.ndarray | None]
        circuit_: Circuit
        converged_: bool
        feature_types_: list[str]
        fit_report_: dict[str, np.ndarray]
        log_likelihoods_: np.ndarray
        mu_: float
        n_iter_: int
        n_latents_: int
        n_parameters: int
        validation_log_likelihoods_: np.ndarray | None
        validation_run_log_likelihoods_: np.ndarray | None

    aic = _passed_on(SharpPCDensity.aic)
    bic = _passed_on(SharpPCDensity.bic)
    condition = _passed_on(SharpPCDensity.condition)
    conditional_moments = _passed_on(SharpPCDensity.conditional_moments)
    conditional_probabilities = _passed_on(SharpPCDensity.conditional_probabilities)
    feature_contributions = _passed_on(SharpPCDensity.feature_contributions)
    hessian_trace = _passed_on(SharpPCDensity.hessian_trace)
    latent_posterior = _passed_on(SharpPCDensity.latent_posterior)
    log_conditional = _passed_on(SharpPCDensity.log_conditional)
    marginal = _passed_on(SharpPCDensity.marginal)
    encode = _passed_on(SharpPCDensity.encode)
    mutual_information = _passed_on(SharpPCDensity.mutual_information)
    pointwise_total_correlation = _passed_on(SharpPCDensity.pointwise_total_correlation)
    sample = _passed_on(SharpPCDensity.sample)
    score = _passed_on(SharpPCDensity.score)
    score_samples = _passed_on(SharpPCDensity.score_samples)
    sharpness = _passed_on(SharpPCDensity.sharpness)
    structure_frame = _passed_on(SharpPCDensity.structure_frame)

    def __getattr__(self, name: str) -> Any:
        if name in _ATTRIBUTES or hasattr(type(self), name):
            self._has_queries()  # or it says why a query is not there
        if name in _ATTRIBUTES:
            return getattr(self._fitted_density(), name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _fitted_density(self) -> SharpPCDensity:
        """The fitted density; NotFittedError, an AttributeError, if there is none."""
        if self._held not in vars(self):
            check_is_fitted(self, self._held)
        density: SharpPCDensity = vars(self)[self._held]
        return density

    def _validate(self, X: Any) -> Any:
        """The matrix of a table, read as the fitted density reads it."""
        density = self._fitted_density()
        with asked(self):
            return density._validate(X)

    def _has_queries(self) -> bool:
        """Whether `fit` leaves a density to ask; an AttributeError says why not."""
        return True


def innermost(estimator: Any) -> Any:
    """The fitted density that an estimator holds, or one within that; itself if it holds none."""
    while isinstance(estimator, DelegatingMixin):
        estimator = estimator._fitted_density()
    return estimator


def share_names(fitted: Any, density: SharpPCDensity) -> None:
    """Have a density expect the columns that another estimator saw."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(fitted, name):
            setattr(density, name, getattr(fitted, name))


def drawn_seed(random_state: np.random.RandomState) -> int:
    """A new seed."""
    return int(random_state.randint(np.iinfo(np.int32).max))


def check_held(density: Any, estimator: Any, name: str) -> None:
    """Raise ValueError unless this is a fitted density for the columns of an estimator."""
    is_density = isinstance(density, SharpPCDensity) or learns_missingness(density)
    if not is_density or not hasattr(density, "circuit_"):
        raise ValueError(f"{name} must be a fitted SharpPCDensity.")
    density._columns.check_estimator(estimator)


def _named(template: Any) -> str:
    """How a message shows what is no density."""
    if isinstance(template, type):
        return f"the class {template.__name__}"
    is_plain = isinstance(template, (str, int, float, np.generic, dict, list, tuple))
    return shown(template) if is_plain else f"a {type(template).__name__}"
