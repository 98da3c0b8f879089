"""A circuit as plain data, and back: the form that files have, described in circuit-format.md.

What depends on the kinds of input distributions is in `skpc._circuit.input_format`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skpc._checks import shown
from skpc._circuit.input_format import StoredInput, restored, stored
from skpc._circuit.inputs.inputs import Inputs

FORMAT, VERSION = "skpc-circuit", 1
_FIELDS = ("format", "version", "parents", "root_weights", "sum_weights", "regions")
_OF_REGION = ("features", "kind", "arrays")
_PLAIN = ("format", "version", "parents", "root_weights", "sum_weights")
_FLAT = (*_PLAIN, "n_features", "features", "kinds", "kind")
_LARGEST_LENGTH = 2**40


def description(
    parents: np.ndarray, root_weights: np.ndarray, sum_weights: np.ndarray, inputs: Inputs
) -> dict[str, Any]:
    """The parts of a checked circuit as plain data; arrays are these, or views of them."""
    regions = [
        {"features": columns, "kind": kind, "arrays": arrays}
        for columns, kind, arrays in stored(inputs)
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "parents": parents,
        "root_weights": root_weights,
        "sum_weights": sum_weights,
        "regions": regions,
    }


def attributes_from(data: Any) -> dict[str, Any]:
    """The attributes of the circuit that plain data describe; their relations are not checked.

    Raises
    ------
    ValueError
        That names the field, and the region if it is of one, if something is not as the format
        says.
    """
    _check_version(data)
    _check_keys(data, _FIELDS, "a circuit", "It")
    parents = numbers(data["parents"], "parents", np.int64)
    root_weights = numbers(data["root_weights"], "root_weights", np.float64)
    sum_weights = numbers(data["sum_weights"], "sum_weights", np.float64)
    n_latents = sum_weights.shape[1] if sum_weights.ndim == 3 else 0
    if parents.ndim != 1 or sum_weights.shape != (len(parents), n_latents, n_latents):
        raise ValueError(
            "parents and sum_weights must have the shapes (n_regions,) and (n_regions, n_latents, "
            f"n_latents); got {parents.shape} and {sum_weights.shape}. Write one entry for each "
            "region, for a root too."
        )
    regions = data["regions"]
    if not isinstance(regions, (list, tuple)) or len(regions) != len(parents) or not regions:
        got = f"{len(regions)} regions" if isinstance(regions, (list, tuple)) else shown(regions)
        raise ValueError(
            f"regions must be a list of one dict for each of the {len(parents)} entries of "
            f"parents, at least one; got {got}."
        )
    inputs = restored([_region(i, region) for i, region in enumerate(regions)], n_latents)
    return {
        "parents": parents,
        "features": inputs.features,
        "root_weights": root_weights,
        "sum_weights": _with_identities(sum_weights, parents),
        "inputs": inputs,
    }


def numbers(values: Any, name: str, dtype: type) -> np.ndarray:
    """An array of float64 or int64 from an array, a number or lists of numbers; no text.

    An array that is one already is taken as it is, so that a memory map stays one.
    """
    if type(values) in (np.ndarray, np.memmap) and values.dtype == dtype:
        return values
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(
            f"{name} must be numbers in lists of one length; got {_start_of(values)}."
        ) from None
    if not array.size and array.dtype == np.float64:  # an empty list
        array = array.astype(dtype)
    is_integer = array.dtype.kind in "iu"
    if not (is_integer or (dtype is np.float64 and array.dtype.kind == "f")):
        wanted = "integers" if dtype is np.int64 else "numbers"
        raise ValueError(f"{name} must be {wanted}; got {_start_of(values)}.")
    with np.errstate(over="ignore"):
        converted: np.ndarray = array.astype(dtype)
    if not np.array_equal(converted, array, equal_nan=True):
        raise ValueError(
            f"{name} must be numbers that {np.dtype(dtype)} can hold; got {_start_of(values)}."
        )
    return converted


def _start_of(values: Any) -> str:
    text = shown(values)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _check_version(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"a circuit must be given as a dict; got {_start_of(data)}.")
    if not isinstance(data.get("format"), str) or data["format"] != FORMAT:
        raise ValueError(
            f"format must be {shown(FORMAT)}; got {_start_of(data.get('format'))}. Take data that "
            "to_dict or save wrote, or that follow the page on the format of circuits."
        )
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(
            f"version must be an integer from 1; got {_start_of(version)}. Write {VERSION}."
        )
    if version > VERSION:
        raise ValueError(
            f"version must be at most {VERSION}, the newest that this skpc reads; got {version}. "
            "Update skpc, or write the circuit in an older version of the format."
        )


def _check_keys(given: Mapping[str, Any], names: tuple[str, ...], what: str, it: str) -> None:
    for name in names:
        if name not in given:
            raise ValueError(f"{what} has no {name}. {it} must have {', '.join(names)}.")
    for name in given:
        if name not in names:
            raise ValueError(
                f"{what} has {_start_of(name)}, which version {VERSION} of the format does not "
                f"know. Leave it out: {it.lower()} must have {', '.join(names)} alone."
            )


def _region(number: int, region: Any) -> StoredInput:
    """The plain data of a region, with arrays of the right dtypes."""
    if not isinstance(region, Mapping):
        raise ValueError(f"region {number} must be a dict; got {_start_of(region)}.")
    _check_keys(region, _OF_REGION, f"region {number}", "It")
    columns = numbers(region["features"], f"features of region {number}", np.int64)
    if columns.ndim != 1 or columns.min(initial=0) < 0:
        raise ValueError(
            f"features of region {number} must be a list of columns, counted from 0; got "
            f"{_start_of(region['features'])}."
        )
    arrays = region["arrays"]
    if not isinstance(arrays, Mapping):
        raise ValueError(
            f"arrays of region {number} must be a dict of arrays; got {_start_of(arrays)}."
        )
    return StoredInput(
        columns,
        region["kind"],
        {
            name: numbers(values, f"{name} of region {number}", np.float64)
            for name, values in arrays.items()
        },
    )


def _with_identities(sum_weights: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The matrices, with the identity at roots: the same array if it is there already."""
    identity = np.eye(sum_weights.shape[1])
    roots = np.flatnonzero(parents < 0)
    if np.array_equal(sum_weights[roots], np.broadcast_to(identity, (len(roots), *identity.shape))):
        return sum_weights
    sum_weights = np.array(sum_weights)
    sum_weights[roots] = identity
    return sum_weights


def flattened(data: dict[str, Any]) -> dict[str, Any]:
    """The same data as few arrays, however many regions there are.

    ``n_features`` and ``features`` are those of all regions, end to end, ``kind`` (n_regions,) are
    positions in ``kinds``, -1 for None. Every field of the arrays of a kind is three arrays:
    ``kind/field/regions`` (m,), ``kind/field/shapes`` (m, n_axes), and ``kind/field/values``, the
    entries of all of them, end to end.
    """
    regions = data["regions"]
    columns = [region["features"] for region in regions]
    kinds = sorted({region["kind"] for region in regions} - {None})
    flat = {name: data[name] for name in _PLAIN}
    flat["n_features"] = np.array([len(own) for own in columns], np.int64)
    flat["features"] = np.concatenate(columns)
    flat["kinds"] = np.array(kinds, np.str_)
    position = {None: -1, **{kind: i for i, kind in enumerate(kinds)}}
    flat["kind"] = np.array([position[region["kind"]] for region in regions], np.int64)
    fields: dict[str, tuple[list[int], list[np.ndarray]]] = {}
    for number, region in enumerate(regions):
        for name, values in region["arrays"].items():
            numbers_of, arrays = fields.setdefault(f"{region['kind']}/{name}", ([], []))
            numbers_of.append(number)
            arrays.append(values)
    for name, (numbers_of, arrays) in fields.items():
        flat[f"{name}/regions"] = np.array(numbers_of, np.int64)
        shapes = np.array([values.shape for values in arrays], np.int64)
        flat[f"{name}/shapes"] = shapes.reshape(len(arrays), -1)
        flat[f"{name}/values"] = np.concatenate([values.ravel() for values in arrays])
    return flat


def unflattened(flat: Any) -> dict[str, Any]:
    """The inverse of `flattened`; what it cannot take apart is a ValueError."""
    if isinstance(flat, Mapping):  # in a file they are arrays
        flat = {
            name: values.item() if name in ("format", "version") and _is_scalar(values) else values
            for name, values in flat.items()
        }
    _check_version(flat)
    for name in _FLAT:
        if name not in flat:
            raise ValueError(f"it has no {name}.")
    data = {name: flat[name] for name in _PLAIN}
    n_features = _flat_array(flat, "n_features", np.int64, 1)
    kinds, kind = flat["kinds"], _flat_array(flat, "kind", np.int64, 1)
    if not isinstance(kinds, np.ndarray) or kinds.dtype.kind != "U" or kinds.ndim != 1:
        raise ValueError(f"kinds must be an array of text; got {_start_of(kinds)}.")
    if len({*kinds.tolist()}) < len(kinds):
        raise ValueError(f"kinds must be distinct; got {_start_of(kinds)}.")
    if len(kind) != len(n_features) or not ((kind >= -1) & (kind < len(kinds))).all():
        raise ValueError(
            f"kind must have one entry for each of the {len(n_features)} regions, from -1 to "
            f"{len(kinds) - 1}; got {_start_of(kind)}."
        )
    names = [*kinds.tolist(), None]
    columns = _cut(_flat_array(flat, "features", np.int64, 1), n_features, "features")
    regions: list[dict[str, Any]] = [
        {"features": own, "kind": names[i], "arrays": {}}
        for own, i in zip(columns, kind.tolist(), strict=True)
    ]
    fields: dict[tuple[str, str], set[str]] = {}
    for name in flat:
        if name not in _FLAT:
            of_kind, _, rest = str(name).partition("/")
            field, _, part = rest.rpartition("/")
            fields.setdefault((of_kind, field), set()).add(part)
    for (of_kind, field), parts in fields.items():
        if parts != {"regions", "shapes", "values"}:
            raise ValueError(
                f"{of_kind}/{field} must be three arrays: regions, shapes and values; got "
                f"{', '.join(sorted(parts))}."
            )
        for number, values in _field(flat, of_kind, field, len(regions)):
            if regions[number]["kind"] != of_kind:
                raise ValueError(
                    f"{of_kind}/{field}/regions has region {number}, whose kind is "
                    f"{shown(regions[number]['kind'])}."
                )
            regions[number]["arrays"][field] = values
    return {**data, "regions": regions}


def _is_scalar(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.ndim == 0


def _flat_array(flat: Mapping[str, Any], name: str, dtype: type, n_axes: int) -> np.ndarray:
    values = numbers(flat[name], name, dtype)
    if values.ndim != n_axes:
        raise ValueError(f"{name} must have {n_axes} axes; got the shape {values.shape}.")
    return np.asarray(values)


def _field(
    flat: Mapping[str, Any], kind: str, field: str, n_regions: int
) -> list[tuple[int, np.ndarray]]:
    """The regions that have a field, and their arrays."""
    name = f"{kind}/{field}"
    of_region = _flat_array(flat, f"{name}/regions", np.int64, 1)
    shapes = _flat_array(flat, f"{name}/shapes", np.int64, 2)
    is_sorted = (np.diff(of_region) > 0).all()
    if not (is_sorted and of_region.min(initial=0) >= 0 and of_region.max(initial=-1) < n_regions):
        raise ValueError(
            f"{name}/regions must be numbers of regions, ascending and below {n_regions}; got "
            f"{_start_of(of_region)}."
        )
    if len(shapes) != len(of_region) or not ((shapes >= 0) & (shapes < _LARGEST_LENGTH)).all():
        raise ValueError(
            f"{name}/shapes must have one shape for each of the {len(of_region)} regions; got "
            f"{_start_of(shapes)}."
        )
    values = _flat_array(flat, f"{name}/values", np.float64, 1)
    if (shapes.astype(np.float64).prod(axis=1) > len(values)).any():
        raise ValueError(f"{name}/shapes ask for more than the {len(values)} values there are.")
    parts = _cut(values, shapes.prod(axis=1), f"{name}/values")
    return [
        (number, part.reshape(shape))
        for number, part, shape in zip(of_region.tolist(), parts, shapes.tolist(), strict=True)
    ]


def _cut(values: np.ndarray, lengths: np.ndarray, name: str) -> list[np.ndarray]:
    """Consecutive parts of these lengths, which must be all."""
    if lengths.min(initial=0) < 0 or lengths.max(initial=0) > len(values):
        bad = lengths[(lengths < 0) | (lengths > len(values))][0]
        raise ValueError(f"{name} has {len(values)} entries, of which a region has {bad}.")
    ends = np.cumsum(lengths).tolist()
    if (ends[-1] if ends else 0) != len(values):
        raise ValueError(
            f"{name} must have as many entries as all regions together, {ends[-1] if ends else 0}; "
            f"got {len(values)}."
        )
    return [values[end - n : end] for end, n in zip(ends, lengths.tolist(), strict=True)]
