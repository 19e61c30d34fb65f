"""Onset as it is found: a Dataset that also says which rate to train at, and draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class FoundOnset(xr.Dataset):  # type: ignore[no-untyped-call]  # xarray's __init_subclass__
    """What `nndyn.find_onset` returns: an ``xarray.Dataset`` with two methods more.

    It is a class of its own because a rate to train at and a figure are what people ask of a
    search for learning rates, by these names. ``plot`` is in the place of xarray's; of the numbers
    xarray draws ``found["median_growth"].plot()``. What is read back from a file is a plain
    Dataset; ``FoundOnset(read.data_vars, read.coords, read.attrs)`` has the methods again.
    """

    __slots__ = ()

    def suggestion(self) -> float | None:
        """Return the learning rate to train at.

        Returns
        -------
        float or None
            ``recommended``: of the rates trained at, the one at which half of the seeds learn
            first. None where there is none; ``found.recommended.attrs["note"]`` has the reason:
            there is no onset, no test accuracy was measured, or no rate was good enough.
        """
        rate = float(self["recommended"])
        return rate if np.isfinite(rate) else None

    def plot(  # type: ignore[override]
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        title: str | None = None,
        size: float | tuple[float, float] | None = None,
        dpi: float | None = None,
        style: str | None = None,
    ) -> Figure:
        """Draw growth and training time along the learning rate, with onset and suggestion.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or sequence of them, optional
            Where to draw the growth, or growth and training time; a new figure by default.
        title : str, optional
            Line above the figure.
        size : float or (float, float), optional
            Width, or width and height, in inches.
        dpi : float, optional
            Dots per inch, 200 by default.
        style : str, optional
            A style of matplotlib, or the path of one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UsageError
            If there is no such size, resolution or style.
        """
        from nndyn.figures.onset import onset
        from nndyn.figures.style import checked

        look = checked({"title": title, "size": size, "dpi": dpi, "style": style})
        return onset(self, ax, **look)
