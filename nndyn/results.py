"""Result contract: the Dataset that every analyzer returns, as JSON and as a table.

A result is an ``xarray.Dataset``. An estimate NAME stands beside its interval ``NAME_ci`` over the
dimension ``bound`` = (lower, upper); where there is no value the variable is NaN and carries the
attribute ``note`` that says why, so that a NaN is never silent. The attribute ``summary`` lists
the names that JSON and tables show, ``verdict`` and ``reason`` say what to make of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nndyn._version import __version__
from nndyn.header import manifest

if TYPE_CHECKING:
    import pandas as pd


class Window(tuple[float, float]):
    """Two times, both ends included; ``A:B`` on the command line."""

    __slots__ = ()


#: A distance, or how to choose one: ``2.0``, ``"rate:0.05"``, ``"scale:0.1"``.
Radius: TypeAlias = float | str

#: Another trajectory: a replica of the same recording, a recording, an array, or the path of a
#: file. Front doors open files and label arrays (`nndyn.analysis`): an analyzer gets a number or a
#: Dataset.
Recording: TypeAlias = int | xr.Dataset | NDArray[Any] | str | os.PathLike[str]


@dataclass(frozen=True)
class Quantity:
    """One variable of a result.

    Attributes
    ----------
    value : array_like or None
        None is a null; it needs a `note`.
    unit, long_name : str
    dims : tuple of str
        Dimensions of `value`; empty for a number.
    ci : (lower, upper) or (n, 2) array or None
        Confidence interval, of an array one for each value; needs `interval_over`.
    interval_over : str or None
        What the interval is over: ``time``, ``perturbations``, ``seeds``.
    note : str or None
        Why there is no value, or what to know about it.
    attrs : dict
        Further attributes of the variable.
    """

    value: Any
    unit: str
    long_name: str
    dims: tuple[str, ...] = ()
    ci: Any = None
    interval_over: str | None = None
    note: str | None = None
    attrs: dict[str, Any] = field(default_factory=dict)


def result(
    quantities: Mapping[str, Quantity],
    *,
    analyzer: str,
    recording: xr.Dataset,
    parameters: Mapping[str, Any],
    summary: Sequence[str],
    verdict: str = "",
    reason: str = "",
    warnings: Sequence[str] = (),
    coords: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Label the numbers of an analyzer.

    Parameters
    ----------
    quantities : mapping of str to Quantity
    analyzer : str
        Name in the table of analyzers.
    recording : xarray.Dataset
        What was analyzed; gives ``source_id`` and, where it was opened from one, the path.
    parameters : mapping
        The options as used: JSON values, and recordings.
    summary : sequence of str
        Names shown in JSON and tables, in this order.
    verdict, reason : str
    warnings : sequence of str
        Lines the reader has to see.
    coords : mapping, optional
        Coordinates, as for ``xarray.Dataset``.

    Returns
    -------
    xarray.Dataset
        What `summary` names comes first, each with its interval. With attributes ``verdict``,
        ``reason``, ``warnings`` (a JSON list), ``analyzer``, ``source_id``, ``source_path``,
        ``source_made`` (JSON: the system, its parameters, whether it is stationary, after how many
        steps it was rescaled), ``parameters`` (JSON), ``summary`` (a JSON list),
        ``nndyn_version``. Of an option NAME that is a recording also ``NAME_id`` and
        ``NAME_path``, which stand for it in ``parameters`` too.

    Raises
    ------
    ValueError
        If a null has no note, or an interval does not say what it is over.
    """
    variables: dict[str, Any] = {}
    for name, q in quantities.items():
        attrs = {"units": q.unit, "long_name": q.long_name, **q.attrs}
        if q.note:
            attrs["note"] = q.note
        if q.value is None:
            if not q.note:
                raise ValueError(f"{name} is null without a note")
            variables[name] = (q.dims, np.full((2,) * len(q.dims), np.nan), attrs)
        else:
            variables[name] = (q.dims, np.asarray(q.value), attrs)
        if q.ci is not None:
            if not q.interval_over:
                raise ValueError(f"the interval of {name} does not say what it is over")
            variables[f"{name}_ci"] = (
                (*q.dims, "bound"),
                np.asarray(q.ci, dtype=np.float64),
                {
                    "units": q.unit,
                    "long_name": f"confidence interval of {name}",
                    "interval_over": q.interval_over,
                },
            )
    first = [name for key in summary for name in (key, f"{key}_ci") if name in variables]
    variables = {name: variables[name] for name in dict.fromkeys([*first, *variables])}
    coords = dict(coords or {})
    if any("bound" in dims for dims, *_ in variables.values()):
        coords["bound"] = ("bound", ["lower", "upper"])
    ds = xr.Dataset(variables, coords=coords)
    others = {k: _origin(v) for k, v in parameters.items() if isinstance(v, xr.Dataset)}
    ds.attrs = {
        "verdict": verdict,
        "reason": reason,
        "warnings": json.dumps(list(warnings)),
        "analyzer": analyzer,
        **{
            f"{name}_{key}": value
            for name, origin in {"source": _origin(recording), **others}.items()
            for key, value in origin.items()
        },
        "source_made": _made(recording),
        "parameters": json.dumps({**parameters, **others}, default=_python),
        "summary": json.dumps(list(summary)),
        "nndyn_version": __version__,
    }
    return ds


def _python(value: Any) -> Any:
    """Return an option of numpy's as JSON has it."""
    return np.asarray(value).tolist()


def _made(recording: xr.Dataset) -> str:
    """Return which system a recording is of and how it was followed, as JSON."""
    said = manifest(recording.attrs)
    system = said.get("system", {})
    kept = {"system": system.get("name"), "parameters": system.get("parameters")}
    kept["stationary"] = int(recording.attrs.get("stationary", 0))
    kept["rescale"] = said.get("recording", {}).get("rescale")
    return json.dumps({key: value for key, value in kept.items() if value})


def _origin(recording: xr.Dataset) -> dict[str, str]:
    """Return the identity of a recording, and its path where it was opened from one."""
    return {
        "id": str(recording.attrs.get("recording_id", "")),
        "path": str(recording.encoding.get("source", "")),
    }


def to_dict(ds: xr.Dataset) -> dict[str, Any]:
    """Return the JSON object of a result: numbers or null, never NaN.

    Parameters
    ----------
    ds : xarray.Dataset
        What an analyzer returned.

    Returns
    -------
    dict
        Keys ``analyzer``, ``source``, ``parameters``, ``results``, ``verdict``, ``reason``,
        ``warnings``; each of ``results`` has ``value``, ``ci``, ``unit``, and ``note`` and
        ``interval_over`` where there are any; several values that have names have these under that
        of their dimension.
    """
    results: dict[str, Any] = {}
    for name in json.loads(ds.attrs["summary"]):
        variable = ds[name]
        entry: dict[str, Any] = {"value": _plain(variable.values), "ci": None}
        entry["unit"] = variable.attrs["units"]
        if f"{name}_ci" in ds:
            interval = ds[f"{name}_ci"]
            entry["ci"] = _bounds(interval.values)
            entry["interval_over"] = interval.attrs["interval_over"]
        dim = labelled(ds, name)
        if dim:
            entry[dim] = ds[dim].values.tolist()
        if "note" in variable.attrs:
            entry["note"] = variable.attrs["note"]
        results[name] = entry
    return {
        "analyzer": ds.attrs["analyzer"],
        "source": {"path": ds.attrs["source_path"], "id": ds.attrs["source_id"]},
        "parameters": json.loads(ds.attrs["parameters"]),
        "results": results,
        "verdict": ds.attrs["verdict"],
        "reason": ds.attrs["reason"],
        "warnings": json.loads(ds.attrs["warnings"]),
    }


def labelled(ds: xr.Dataset, name: str) -> str:
    """Return the dimension along which the values of an estimate have names, empty without."""
    dims = ds[name].dims
    dim = str(dims[0]) if len(dims) == 1 else ""
    named = dim not in ("", "bound") and dim in ds.coords and ds[dim].dtype.kind in "OUT"
    return dim if named else ""


def labels(ds: xr.Dataset, name: str) -> list[str]:
    """Return the name of each value of an estimate, which of several says which it is.

    Parameters
    ----------
    ds : xarray.Dataset
        What an analyzer returned.
    name : str
        An estimate in it.

    Returns
    -------
    list of str
        In the order of the values; each ends in its coordinates, or its number where there are
        none.
    """
    dims = ds[name].dims
    return [
        " ".join([name, *(_label(ds, dim, i) for dim, i in zip(dims, place, strict=True))])
        for place in np.ndindex(ds[name].shape)
    ]


def _label(ds: xr.Dataset, dim: Any, i: int) -> str:
    if dim not in ds.coords:
        return str(i + 1)
    value = ds[dim].values[i].item()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def table(ds: xr.Dataset) -> pd.DataFrame:
    """Return the summary of a result as a small table.

    Parameters
    ----------
    ds : xarray.Dataset
        What an analyzer returned.

    Returns
    -------
    pandas.DataFrame
        One row an estimate, by name, with columns ``value``, ``lower`` and ``upper``, the ends of
        its interval, NaN where there is none, and ``unit``.
    """
    import pandas as pd

    columns: dict[str, list[Any]] = {"value": [], "lower": [], "upper": [], "unit": []}
    index = []
    for name in json.loads(ds.attrs["summary"]):
        variable, interval = ds[name], ds.get(f"{name}_ci")
        bounds = np.full((variable.size, 2), np.nan) if interval is None else interval.values
        bounds = np.where(np.isfinite(bounds).all(axis=-1, keepdims=True), bounds, np.nan)
        index += labels(ds, name)
        columns["value"] += [np.nan if v is None else v for v in map(_plain, variable.values.flat)]
        columns["lower"] += bounds[..., 0].ravel().tolist()
        columns["upper"] += bounds[..., 1].ravel().tolist()
        columns["unit"] += [variable.attrs["units"]] * variable.size
    return pd.DataFrame(columns, index=index)


def _bounds(values: Any) -> Any:
    """Lower and upper end, or a list of them: null where one of the two is not finite."""
    if values.ndim > 1:
        rows = [_bounds(row) for row in values]
        return None if all(row is None for row in rows) else rows
    ends = _plain(values)
    return None if ends is None or None in ends else ends


def _plain(values: Any) -> Any:
    """Python numbers, strings and lists of a numpy array; null where a float is not finite."""
    values = np.asarray(values)
    if values.ndim:
        items = [_plain(v) for v in values]
        return None if items and all(v is None for v in items) else items
    item = values.item()
    return None if isinstance(item, float) and not np.isfinite(item) else item
