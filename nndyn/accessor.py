"""``recording.nndyn.…``: every analyzer as a method of a recording, or of a study's index."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec

import numpy as np
import xarray as xr

import analyzers
from nndyn.analysis import analyzer
from nndyn.errors import DataError, UnknownNameError, UsageError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyzers.endings.analyzer import endings
    from analyzers.exploration.analyzer import exploration
    from analyzers.learning.analyzer import learning
    from analyzers.lyapunov.analyzer import lyapunov
    from analyzers.recurrence.analyzer import recurrence
    from analyzers.series.autocorrelation import autocorrelation
    from analyzers.spectrum.analyzer import spectrum
    from nndyn.figures.style import Look

P = ParamSpec("P")


class _Analyzer(Generic[P]):
    """An analyzer as a method, which is loaded when somebody looks at it.

    Parameters
    ----------
    name : str
    function : callable, optional
        For type checkers: what the method takes beside the recording.
    """

    def __init__(
        self, name: str, function: Callable[Concatenate[xr.Dataset, P], xr.Dataset] | None = None
    ) -> None:
        self._name = name

    def __get__(self, accessor: Accessor | None, owner: type) -> Callable[P, xr.Dataset]:
        """Return the method with the signature and the docstring of the analyzer."""
        name, function = self._name, analyzer(self._name)

        def method(self: Accessor, **options: Any) -> xr.Dataset:
            return self._analyze(name, **options)

        update_wrapper(method, function)
        _, *options = inspect.signature(function).parameters.values()
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if accessor is not None and accessor._is_study:
            from nndyn.studies.analysis import analyze_study

            known = inspect.signature(analyze_study).parameters
            options += [known[key] for key in ("along", "workers", "progress")]
        signature = inspect.Signature([own, *options], return_annotation=xr.Dataset)
        method.__signature__ = signature  # type: ignore[attr-defined]
        bound: Any = method if accessor is None else MethodType(method, accessor)
        return bound  # type: ignore[no-any-return]


@xr.register_dataset_accessor("nndyn")  # type: ignore[no-untyped-call]
class Accessor:
    """Analyzers, layers and plots of a recording; analyzers of a study; the table of a result."""

    if TYPE_CHECKING:  # the rows of the table of analyzers
        autocorrelation = _Analyzer("autocorrelation", autocorrelation)
        endings = _Analyzer("endings", endings)
        exploration = _Analyzer("exploration", exploration)
        learning = _Analyzer("learning", learning)
        lyapunov = _Analyzer("lyapunov", lyapunov)
        recurrence = _Analyzer("recurrence", recurrence)
        spectrum = _Analyzer("spectrum", spectrum)

    def __init__(self, recording: xr.Dataset) -> None:
        self._recording = recording

    def __getattr__(self, name: str) -> Callable[..., xr.Dataset]:
        """Return the analyzer of another distribution called `name` as a method.

        Returns
        -------
        callable

        Raises
        ------
        AttributeError
            If no analyzer has that name.
        """
        if name.startswith("_") or name not in analyzers.names():
            known = ", ".join(analyzers.names())
            raise AttributeError(f"no analyzer {name!r}; known: {known}")
        method: _Analyzer[...] = _Analyzer(name)
        return method.__get__(self, type(self))

    @property
    def _is_study(self) -> bool:
        return "nndyn_study" in self._recording.attrs

    def _analyze(self, name: str, **options: Any) -> xr.Dataset:
        """Analyze the recording, or the study whose index this is (`nndyn.studies.analysis`)."""
        if not self._is_study:
            result: xr.Dataset = analyzer(name)(self._recording, **options)
            return result
        from nndyn.studies.analysis import analyze_study
        from nndyn.studies.folder import Folder

        folder = self._recording.encoding.get("source", "")
        axes = Folder(folder).design().axes
        if {k: len(v) for k, v in axes.items()} != dict(self._recording.sizes):
            raise UsageError(
                f"this is a part of the index of {folder}; analyze what nndyn.open_study gave"
            )
        return analyze_study(folder, name, **options)

    def __dir__(self) -> list[str]:
        """List the public names, the analyzers of other distributions as well."""
        return sorted({n for n in super().__dir__() if n[:1] != "_"} | set(analyzers.names()))

    def __repr__(self) -> str:
        """Return verdict, reason and table of a result; of others what they are."""
        attrs = self._recording.attrs
        if "summary" in attrs:
            from nndyn.results import table

            lines = [f"{attrs['verdict']}: {attrs['reason']}"]
            return "\n".join([*lines, table(self._recording).to_string(na_rep="")])
        if self._is_study:
            runs = " x ".join(f"{n} {name}" for name, n in self._recording.sizes.items())
            what = f"study of {runs}"
        else:
            sizes = self._recording.sizes
            rows = sizes["replica"]
            of = "one trajectory" if rows == 1 else f"{rows} replicas"
            what = f"recording of {sizes['time']} times of {of}"
        return f"{what}; analyzers: {', '.join(analyzers.names())}"

    def table(self) -> pd.DataFrame:
        """Return the summary of a result as a small table.

        Returns
        -------
        pandas.DataFrame
            One row an estimate, by name, with columns ``value``, ``lower`` and ``upper``, the ends
            of its interval, NaN where there is none, and ``unit``.

        Raises
        ------
        UsageError
            If it is no result of an analyzer.
        """
        from nndyn.results import table

        if "summary" not in self._recording.attrs:
            raise UsageError(
                "tables are of results, and this is none: call an analyzer first, such as "
                "nndyn.lyapunov"
            )
        return table(self._recording)

    def _plot_study(
        self,
        name: str | None,
        ax: Any,
        look: Look,
        along: str | None = None,
        **options: Any,
    ) -> Figure:
        """Draw one of the figures of a study: see `plot`."""
        from nndyn.figures.runs import KINDS, of_runs
        from nndyn.figures.study import study
        from nndyn.figures.verdicts import verdicts
        from nndyn.studies.analysis import growth_and_learning

        known = ("study", "verdicts", *KINDS)
        if name not in (None, *known):
            raise UnknownNameError(f"no figure {name!r} of a study; known: {', '.join(known)}")
        if name == "verdicts":
            return verdicts(self._analyze("lyapunov", along=along, **options), ax, **look)
        if name in KINDS:
            folder = self._recording.encoding.get("source", "")
            parts = of_runs(name, folder, along=along, **options)
            _one_of(parts, name)
            return parts[0][1](ax, **look)
        found = growth_and_learning(partial(self._analyze, along=along, **options))
        _one_of(found, "study")
        return study(*found[0][1:], ax, **look)

    def layer(self, name: str) -> xr.DataArray:
        """Return the trajectory of one parameter.

        Parameters
        ----------
        name : str
            One of ``parameter_name``, such as ``0.weight``.

        Returns
        -------
        xarray.DataArray
            ``state`` over the components of that parameter; of a selection of components over
            those of them that belong to it.

        Raises
        ------
        UnknownNameError
            If there is no such parameter; lists those there are.
        DataError
            If the recording keeps no states, or components were selected from a file that was not
            opened by nndyn.
        UsageError
            If it is no recording, but the index of a study.
        """
        if self._is_study:
            raise UsageError(
                "layers are of recordings, and this is the index of a study: open one of its paths "
                "with nndyn.open"
            )
        if "state" not in self._recording or "parameter_name" not in self._recording:
            raise DataError(
                "the recording keeps no states; record with `store='full'` or 'every:K'"
            )
        names = [str(n) for n in self._recording["parameter_name"].values]
        if name not in names:
            raise UnknownNameError(f"unknown parameter {name!r}; known: {', '.join(names)}")
        state, at = self._recording["state"], names.index(name)
        start, size = (self._recording[f"parameter_{key}"].values for key in ("start", "size"))
        if state.sizes["component"] >= start[-1] + size[-1]:
            return state.isel(component=np.s_[start[at] : start[at] + size[at]])
        if "parameter" not in state.coords:
            raise DataError(
                "components were selected, and which is not known; select them from what "
                "nndyn.open gives"
            )
        return state.isel(component=np.flatnonzero(state["parameter"].values == name))

    def plot(
        self,
        name: str | None = None,
        *,
        ax: Axes | Sequence[Axes] | None = None,
        title: str | None = None,
        size: float | tuple[float, float] | None = None,
        dpi: float | None = None,
        style: str | None = None,
        **options: Any,
    ) -> Figure:
        """Analyze with ``NAME(**options)`` and draw it; of a comparison, draw that.

        Parameters
        ----------
        name : str, optional
            An analyzer that has a figure: lyapunov (the default), spectrum, exploration, learning,
            endings, recurrence; or path, principal components beside those of a random walk. Of a
            study: study (the default), growth and training time along a swept option; verdicts, a
            map of them; lyapunov or learning, the curves of all its runs; curves, a quantity over
            time, and orbit, its last values against the swept option.
        ax : matplotlib.axes.Axes or sequence of them, optional
            Where to draw the first panel, or as many as there are axes; a new figure by default.
        title : str, optional
            Line above the figure.
        size : float or (float, float), optional
            Width, or width and height, in inches.
        dpi : float, optional
            Dots per inch, 200 by default.
        style : str, optional
            A style of matplotlib, or the path of one.
        **options
            Of the analyzer; of a study also ``along``, the swept option to look along; of curves
            and orbit ``quantity``, such as loss, test_accuracy or component:0, and of orbit
            ``last``, how many of its values, or which share of them.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UnknownNameError
            If there is no such figure; lists those there are.
        UsageError
            If there is no such size, resolution or style.
        """
        from nndyn.figures import FIGURES, draw, result_maker
        from nndyn.figures.style import checked

        look = checked({"title": title, "size": size, "dpi": dpi, "style": style})
        if self._recording.attrs.get("analyzer") == "compare":
            from nndyn.figures.comparison import comparison

            return comparison(self._recording, ax, **look)
        if self._is_study:
            return self._plot_study(name, ax, look, **options)
        name = name or "lyapunov"
        if name not in FIGURES:
            raise UnknownNameError(f"no figure {name!r}; known: {', '.join(FIGURES)}")
        return draw(name, result_maker(name)(self._recording, **options), ax, **look)


def _one_of(found: Sequence[Any], name: str) -> None:
    """Refuse several combinations of options, of which each has a figure."""
    if len(found) > 1:
        raise UsageError(
            f"there are {len(found)} combinations of other options, a figure each: "
            f"nndyn plot {name} draws them"
        )


for _name in analyzers.ANALYZERS:
    setattr(Accessor, _name, _Analyzer(_name))
