"""Warnings before the work, about options that are allowed but seldom meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nndyn.cli.output import say
from nndyn.errors import UsageError
from nndyn.words.numbers import show

if TYPE_CHECKING:
    import xarray as xr

#: Perturbations above which deviations are not small, and learning rates above which a step is, as
#: a rule, the last one, by optimizer.
_EPSILON, _RATES, _RATE = 1e-2, {"sgd": 1e3}, 1e1


def caution(options: Mapping[str, Any]) -> None:
    """Warn of options of a recording, or of a sweep, that are seldom meant."""
    for line in _cautions(options):
        say(f"warning: {line}", err=True)


def caution_folder(path: Path) -> None:
    """Warn of a folder that is called as a file is."""
    if path.suffix.lower() in (".nc", ".csv", ".h5", ".png") and not path.exists():
        say(f"warning: {path} will be a folder, with a recording for every run", err=True)


def check_window(recording: xr.Dataset, window: Any) -> None:
    """Refuse a window behind the end of a recording; warn of one that reaches beyond it.

    Raises
    ------
    UsageError
        If no time of the recording lies in it.
    """
    if window is None or not recording.sizes.get("time"):
        return
    first, last = (float(recording["time"].values[at]) for at in (0, -1))
    span = f"from {first:g} to {last:g} {recording['time'].attrs.get('units', 'step')}"
    low, high = window
    if low > high:  # an analyzer says so
        return
    if low > last or high < first:
        raise UsageError(f"window is {low:g}:{high:g}, and the recording is {span}")
    if high > last or low < first:
        say(f"warning: window is {low:g}:{high:g}, and the recording is {span}", err=True)


def _cautions(options: Mapping[str, Any]) -> Iterator[str]:
    epsilon = _largest(options.get("epsilon"))
    if epsilon > _EPSILON and options.get("replicas") != 0:
        yield (
            f"epsilon is {show(epsilon)}: deviations that begin so large are not small, and an "
            "exponent is of small ones; 1e-8 is usual"
        )
    rate, optimizer = _largest(options.get("lr")), options.get("optimizer")
    most = _RATES.get(str(optimizer).lower(), _RATE)
    if optimizer is not None and rate > most:
        yield f"lr is {show(rate)}: above {most:g} a training diverges or stands still, as a rule"


def _largest(value: Any) -> float:
    """Return a number or the largest of a grid; 0 where there is none."""
    given = value if isinstance(value, list) else [value]
    return max((float(one) for one in given if isinstance(one, int | float)), default=0.0)
