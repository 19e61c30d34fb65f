"""Results of an analyzer on the runs of a study, stacked over them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Dimensions, values and attributes of a variable.
Variable = tuple[tuple[str, ...], Array, dict[str, Any]]


@dataclass
class Found:
    """What is kept of an analyzer's result on one run.

    Attributes
    ----------
    variables : dict of str to Variable
        Numbers are float64, texts str; a null is NaN or empty.
    coords : dict of str to array
        Of the dimensions that have them.
    verdict, reason : str
    failure : str
        Why there is no result; empty where there is one.
    stationary : float
    lasting : bool
        Whether the same would be found again; not so where the file is damaged and can be restored.
    """

    variables: dict[str, Variable] = field(default_factory=dict)
    coords: dict[str, Array] = field(default_factory=dict)
    verdict: str = ""
    reason: str = ""
    failure: str = ""
    stationary: float = np.nan
    lasting: bool = True


def reduce(result: xr.Dataset, keep: Sequence[str], stationary: float) -> Found:
    """Return what is kept of a result: its summary, with intervals, and the variables in `keep`.

    Parameters
    ----------
    result : xarray.Dataset
        What an analyzer returned.
    keep : sequence of str
    stationary : float
        1 or 0.

    Returns
    -------
    Found
    """
    names = [*json.loads(result.attrs["summary"]), *keep]
    names += [f"{name}_ci" for name in names]
    found = Found(verdict=result.attrs["verdict"], reason=result.attrs["reason"])
    found.stationary = stationary
    for name in names:
        variable = result.variables.get(name)
        if variable is None:
            continue
        values = np.asarray(variable.values)
        values = values.astype(str if values.dtype.kind in "OUS" else np.float64)
        dims = tuple(map(str, variable.dims))
        found.variables[name] = (dims, values, dict(variable.attrs))
        for dim in dims:
            if dim in result.coords and dim != "bound":
                found.coords[dim] = np.asarray(result.variables[dim].values)
    return found


def stack(runs: Sequence[Found]) -> xr.Dataset:
    """Stack what was found on runs over the dimension ``cell``.

    Parameters
    ----------
    runs : sequence of Found

    Returns
    -------
    xarray.Dataset
        Every variable of any run, over (cell, …); NaN, or the empty text, where a run has none.
        Where runs have other coordinates along a dimension, it has all of them. Beside them
        ``verdict``, ``reason``, ``failure`` and ``stationary``.
    """
    import xarray as xr

    labels = _labels(runs)
    variables: dict[str, Any] = {}
    for name in dict.fromkeys(name for run in runs for name in run.variables):
        dims, values, attrs = next(r.variables[name] for r in runs if name in r.variables)
        text = values.dtype.kind == "U"
        shape = (len(runs), *(len(labels[dim]) for dim in dims))
        full = np.full(shape, "" if text else np.nan, dtype=object if text else np.float64)
        for i, run in enumerate(runs):
            if name in run.variables and run.variables[name][0] == dims:
                full[(i, *_places(run, name, labels))] = run.variables[name][1]
        attrs = {k: v for k, v in attrs.items() if k != "note"}  # of one run alone
        variables[name] = (("cell", *dims), full.astype(str) if text else full, attrs)
    for name in ("verdict", "reason", "failure"):
        variables[name] = ("cell", np.array([getattr(r, name) for r in runs], dtype=str))
    variables["stationary"] = ("cell", np.array([r.stationary for r in runs], np.float64))
    coords = {dim: (dim, values) for dim, values in labels.items() if dim != "bound"}
    coords["bound"] = ("bound", np.array(["lower", "upper"]))
    return xr.Dataset(variables, {k: v for k, v in coords.items() if k in _used(variables)})


def split(stacked: xr.Dataset) -> list[Found]:
    """Return what `stack` was given."""
    coords = {str(d): np.asarray(stacked[d].values) for d in stacked.dims if d in stacked.coords}
    plain = ("verdict", "reason", "failure", "stationary")
    arrays = {str(k): (v.dims[1:], v.values, dict(v.attrs)) for k, v in stacked.items()}
    return [
        Found(
            variables={
                k: (tuple(map(str, dims)), values[i], attrs)
                for k, (dims, values, attrs) in arrays.items()
                if k not in plain
            },
            coords={k: v for k, v in coords.items() if k not in ("cell", "bound")},
            verdict=str(arrays["verdict"][1][i]),
            reason=str(arrays["reason"][1][i]),
            failure=str(arrays["failure"][1][i]),
            stationary=float(arrays["stationary"][1][i]),
        )
        for i in range(stacked.sizes["cell"])
    ]


def _labels(runs: Sequence[Found]) -> dict[str, Array]:
    """Return the coordinates along every dimension: those of all runs, ascending."""
    labels: dict[str, Array] = {}
    for run in runs:
        for dims, values, _ in run.variables.values():
            for dim, size in zip(dims, values.shape, strict=True):
                own = run.coords.get(dim, np.arange(size))
                known = labels.get(dim)
                if known is None:
                    labels[dim] = own
                elif known.size != own.size or not np.array_equal(known, own):
                    labels[dim] = np.union1d(known, own)
    return labels


def _places(run: Found, name: str, labels: dict[str, Array]) -> tuple[Any, ...]:
    dims, values, _ = run.variables[name]
    places = []
    for dim, size in zip(dims, values.shape, strict=True):
        own = run.coords.get(dim, np.arange(size))
        same = np.array_equal(own, labels[dim])  # in any order; those of several runs ascend
        places.append(np.arange(size) if same else np.searchsorted(labels[dim], own))
    return np.ix_(*places) if places else ()


def _used(variables: dict[str, Any]) -> set[str]:
    return {dim for dims, *_ in variables.values() for dim in dims if dims != "cell"}
