"""Results of analyzers as parts of a page, with the numbers that the command line prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nndyn.reports.content import Numbers, Verdict
from nndyn.results import to_dict
from nndyn.words.numbers import show
from nndyn.words.tables import known, named, summary

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.reports.glance import Part

#: What would tell other explanations of a growth, and what a recording needs for it.
_NO_SHARPNESS = "not measured: record with `sharpness='every:10'`"
_NO_QUADRATIC = "not measured: record with `quadratic_model=True`"
#: Training time in units in which a small rate has none of its own.
_FLOW = "lr \u00d7 time"
_FALLS = {
    "yes": "falls below its value at the lowest rate: faster by more than a longer step",
    "no": "does not fall below its value at the lowest rate: faster by a longer step at most",
    "undecided": "is not told from its value at the lowest rate",
}
_ONE_RATE = "whether it falls below its value at small rates takes a study of several rates"


def verdict(result: xr.Dataset, label: str = "") -> Verdict:
    """Return the verdict of a result, with its first number."""
    rows = summary(result).rows
    estimate = ""
    if rows:
        name, value, interval, unit = rows[0]
        estimate = " ".join(filter(None, (name, value, interval, "" if unit == "1" else unit)))
    attrs = result.attrs
    return Verdict(
        str(attrs["analyzer"]), str(attrs["verdict"]), str(attrs["reason"]), estimate, label
    )


def tables(result: xr.Dataset) -> list[Numbers]:
    """Return the tables of a result, with what their intervals are over."""
    first = summary(result)
    found = [Numbers(first, _intervals(result))] if first.rows else []
    for table in named(result):
        shown, unknown = known(table)
        of_each = f"null of each {table.headings[0][0]}: {', '.join(unknown)}" if unknown else ""
        found.append(Numbers(shown, of_each))
    return found


def warnings(result: xr.Dataset) -> list[str]:
    """Return what the reader of a result has to see."""
    return [str(line) for line in json.loads(result.attrs["warnings"])]


def _intervals(result: xr.Dataset) -> str:
    """Say what the intervals of a table are over, and how often they hold the value."""
    said = to_dict(result)
    over: dict[str, list[str]] = {}
    for name, entry in said["results"].items():
        if entry["ci"] is not None:
            over.setdefault(str(entry["interval_over"]), []).append(name)
    if not over:
        return ""
    share = said["parameters"].get("confidence")
    level = f"Intervals of {100 * share:g} %" if isinstance(share, float) else "Intervals"
    if len(over) == 1:
        return f"{level} over {next(iter(over))}."
    parts = [f"over {what} of {', '.join(names)}" for what, names in over.items()]
    return f"{level}: {'; '.join(parts)}."


def alternatives(results: Mapping[str, xr.Dataset], *, training: bool) -> dict[str, str]:
    """Return other explanations of what a recording shows, and what it says of each.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        By analyzer.
    training : bool
        Whether it is of a training: others have neither steps that are too long nor a loss.

    Returns
    -------
    dict of str to str
    """
    growth, learning = results.get("lyapunov"), results.get("learning")
    if not training or growth is None:
        return {}
    found = {
        "edge of stability": estimates(growth, "unstable_until") or _NO_SHARPNESS,
        "quadratic loss": estimates(
            growth, "quadratic_exponent", "quadratic_growth", "lyapunov_max"
        )
        if "quadratic_exponent" in growth
        else _NO_QUADRATIC,
    }
    if learning is not None and "gradient_flow_time" in learning:
        flow = estimates(learning, "gradient_flow_time")
        found[_FLOW] = f"{flow}; {_ONE_RATE}"
    return found


def of_study(part: Part) -> dict[str, str]:
    """Return other explanations of what one combination of a study shows."""
    found = {"edge of stability": _NO_SHARPNESS}
    learning, rate = part.learning, str(part.growth.attrs["along"])
    for result in (part.growth, learning):
        if result is not None and "sharpness_ratio" in result:
            found["edge of stability"] = _sharpest(result, rate)
    found["quadratic loss"] = (
        "of single runs: see the reports of recordings that have `quadratic_model=True`"
    )
    if learning is not None and "flow_time_ratio" in learning:
        found[_FLOW] = _FALLS[str(learning["flow_time_falls"].item())]
    if part.outputs is not None:
        said = part.outputs.attrs
        found["function space"] = f"growth of the outputs: {said['verdict']}: {said['reason']}"
    return found


def _sharpest(result: xr.Dataset, rate: str) -> str:
    """Say at which values of the swept option the median of the largest sharpness is too large."""
    over = result["sharpness_ratio"].values > 1.0
    rates = result[rate].values[over]
    if not rates.size:
        where = f"at no {rate} sampled"
    elif over[np.argmax(over) :].all():
        where = f"from {rate} = {rates[0]:.4g} on"
    else:
        where = f"at {rates.size} of {over.size} values of {rate}, from {rates[0]:.4g}"
    return f"the largest sharpness is above its limit, in the median over seeds, {where}"


def estimates(result: xr.Dataset, *names: str) -> str:
    """Return numbers of a result as a phrase, those that it has; a null with its note."""
    said = to_dict(result.assign_attrs(summary=json.dumps([n for n in names if n in result])))
    phrases = []
    for name, entry in said["results"].items():
        what = str(result[name].attrs["long_name"])
        if entry["value"] is None:
            phrases.append(entry.get("note", f"{what}: null"))
            continue
        interval = "" if entry["ci"] is None else f" {show(entry['ci'])}"
        unit = "" if entry["unit"] == "1" else f" {entry['unit']}"
        phrases.append(f"{what}: {show(entry['value'])}{interval}{unit}")
    return "; ".join(phrases)
