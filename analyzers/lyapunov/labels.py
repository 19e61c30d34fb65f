"""Numbers of a lyapunov result with their notes, and the result of a diverged run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzers.growth.separation import Separation
from analyzers.lyapunov.estimators import Estimate
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

#: e-foldings by which rounding may change growth that are said.
AUDIBLE = 0.05
_SUMMARY = ("lyapunov_max", "window", "growth", "transient_end", "aligned", "attractor")


def diverged(
    recording: xr.Dataset, parameters: dict[str, Any], ended: str, note: str
) -> xr.Dataset:
    """Label a recording whose reference diverged, and of which there is nothing to report."""
    unit = str(recording["time"].attrs.get("units", "step"))
    nothing = {
        "lyapunov_max": Quantity(None, f"per {unit}", "maximum Lyapunov exponent", note=note),
        "window": Quantity(None, unit, "times between which it is measured", ("bound",), note=note),
        "growth": Quantity(None, "1", "e-foldings of the deviations", note=note),
        "growth_p": Quantity(None, "1", "p value of the growth", note=note),
        "growth_per_doubling": Quantity(None, "1", "e-foldings per doubling", note=note),
        "transient_end": Quantity(None, unit, "end of the last growth phase", note=note),
        "aligned": Quantity(None, "1", "whether deviations pointed the same way", note=note),
        "attractor": Quantity("none", "1", "what the reference ends on", attrs={"period": 0}),
    }
    return result(
        nothing,
        analyzer="lyapunov",
        recording=recording,
        parameters=parameters,
        summary=summary(bool(int(recording.attrs.get("stationary", 0)))),
        verdict="diverged",
        reason=ended,
    )


def summary(stationary: bool, *more: str) -> tuple[str, ...]:
    """Return the names of the numbers that tables show, `more` at the end."""
    evidence = "growth_per_doubling" if stationary else "growth_p"
    return (*_SUMMARY[:3], evidence, *_SUMMARY[3:], *more)


def numbers(
    found: Estimate, sep: Separation, ends_on: tuple[str, int], stationary: bool
) -> dict[str, Quantity]:
    """Label the numbers of an estimate."""
    ci = None
    if found.exponent is not None and found.half_width is not None:
        ci = (found.exponent - found.half_width, found.exponent + found.half_width)
    window = None if found.window is None else sep.time[list(found.window)]
    said = []
    if found.cut:
        said.append("a lower bound: it ends where deviations can no longer be used")
    if found.rounding >= AUDIBLE:
        said.append(f"rounding may have changed it by {found.rounding:.2g}")
    end = None if found.transient_end is None else sep.time[found.transient_end]
    return {
        "lyapunov_max": Quantity(
            found.exponent,
            f"per {sep.unit}",
            "maximum Lyapunov exponent",
            ci=ci,
            interval_over=found.over,
            note=found.note or None,
        ),
        "window": Quantity(
            window,
            sep.unit,
            "times between which the exponent is measured",
            dims=("bound",),
            note=found.note if window is None else None,
        ),
        "growth": Quantity(
            found.growth,
            "1",
            "e-foldings of the deviations",
            note=found.note if found.growth is None else "; ".join(said) or None,
        ),
        "growth_p": Quantity(
            found.p,
            "1",
            "how often a path of the same steps with random signs grows as much",
            note=None
            if found.p is not None
            else "stationary recording: see growth_per_doubling"
            if stationary
            else found.note,
        ),
        "growth_per_doubling": Quantity(
            found.doubling,
            "1",
            "e-foldings that the last doubling of the time added",
            note=None
            if found.doubling is not None
            else "too few samples"
            if stationary
            else "transient: see growth_p",
        ),
        "growth_lower_bound": Quantity(
            found.cut,
            "1",
            "whether growth ends only because deviations can no longer be used",
        ),
        "transient_end": Quantity(
            end, sep.unit, "end of the last growth phase", note=found.note_end or None
        ),
        "aligned": Quantity(
            found.aligned,
            "1",
            "whether deviations pointed the same way over the window",
            note=None
            if found.aligned is not None
            else "stationary recording: deviations align by themselves"
            if stationary
            else "not decided: see lyapunov_max",
        ),
        "attractor": Quantity(
            ends_on[0], "1", "what the reference ends on", attrs={"period": ends_on[1]}
        ),
    }
