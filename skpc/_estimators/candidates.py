"""The candidates of a search: settings of a density, and what cross-validation says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from skpc._checks import shown

_NOT_SEARCHED = {
    "feature_types": "likelihoods of other types of columns cannot be compared",
    "warm_start": "fits of a search start anew, or by warm_path",
    "verbose": "it changes nothing that is learnt",
}


@dataclass(frozen=True)
class Path:
    """Candidates that differ in `mu` alone.

    Attributes
    ----------
    others : dict
        What they share: parameters of a density but `mu`.
    places : tuple of int
        Which they are among all, those with larger `mu` first.
    """

    others: dict[str, Any]
    places: tuple[int, ...]


@dataclass(frozen=True)
class Candidates:
    """Settings to try, in their order.

    Attributes
    ----------
    params : tuple of dict
        Of each the parameters of a density that it sets.
    paths : tuple of Path
        The same, those together that differ in `mu` alone.
    mus : (n_candidates,) or None
        Their `mu`, distinct and ascending, if they set nothing else.
    """

    params: tuple[dict[str, Any], ...]
    paths: tuple[Path, ...]
    mus: np.ndarray | None = None

    @classmethod
    def of_mus(cls, mus: Any, name: str = "mus") -> Candidates:
        """Strengths of the penalty; `name` is what messages call them."""
        found = _checked_mus(mus, name)
        places = tuple(reversed(range(len(found))))
        return cls(tuple({"mu": mu} for mu in found.tolist()), (Path({}, places),), found)

    @classmethod
    def of_grid(cls, param_grid: Any) -> Candidates:
        """All combinations of a grid, or of several, as `GridSearchCV` takes them."""
        from sklearn.model_selection import ParameterGrid

        try:
            params = tuple(ParameterGrid(param_grid))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"param_grid={shown(param_grid)} is no grid: {error} Give a dict from parameters "
                "of the density to lists of their values, such as {'n_latents': [4, 16]}, or a "
                "list of such dicts."
            ) from error
        names = {name for candidate in params for name in candidate}
        for name in names & {*_NOT_SEARCHED}:
            raise ValueError(
                f"param_grid cannot have {name}: {_NOT_SEARCHED[name]}. Set it in the estimator."
            )
        mus = [candidate.get("mu") for candidate in params]
        if names == {"mu"} and None not in mus:
            return cls.of_mus(mus, "param_grid['mu']")
        paths: dict[Any, list[int]] = {}
        for place, candidate in enumerate(params):
            # Combinations of one grid share its values: they need not be compared.
            key = tuple((name, id(candidate[name])) for name in candidate if name != "mu")
            paths.setdefault((key, mus[place] is None), []).append(place)
        return cls(params, tuple(_path(params, places) for places in paths.values()))

    def path_to(self, place: int) -> tuple[Path, tuple[int, ...]]:
        """The path that a candidate is on, and the places on it until there."""
        path = next(path for path in self.paths if place in path.places)
        return path, path.places[: path.places.index(place) + 1]

    def called(self, place: int) -> str:
        """A candidate for a line that is printed."""
        return "  ".join(
            f"{name} {value:g}" if type(value) is float else f"{name} {shown(value)}"
            for name, value in self.params[place].items()
        )


def _path(params: Sequence[dict[str, Any]], places: list[int]) -> Path:
    others = {name: value for name, value in params[places[0]].items() if name != "mu"}
    mus = [params[place].get("mu") for place in places]
    if all(isinstance(mu, Real) for mu in mus):
        order = np.argsort(np.array(mus, float), kind="stable")[::-1]
        return Path(others, tuple(places[i] for i in order))
    return Path(others, tuple(places))


def _checked_mus(given: Any, name: str) -> np.ndarray:
    """Distinct strengths in ascending order."""
    try:
        mus = np.asarray(given, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} must be numbers, such as [0, 0.03, 0.1]; got {shown(given)}."
        ) from error
    if mus.ndim != 1 or not mus.size:
        raise ValueError(
            f"{name} must be a sequence of one or more numbers, such as [0, 0.03, 0.1]; got the "
            f"shape {mus.shape}."
        )
    wrong = ~(np.isfinite(mus) & (mus >= 0))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f"{name} must be finite and at least 0; got {mus[i]} at position {i}. 0 is no penalty."
        )
    return np.unique(mus + 0.0)  # no -0.0
