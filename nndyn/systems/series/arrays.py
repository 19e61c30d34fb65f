"""Series in memory as recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nndyn.checks import flag
from nndyn.errors import UsageError
from nndyn.systems.series import replicas
from nndyn.systems.series.labelling import as_recording
from nndyn.systems.series.measured import checked, named, refuse_lying
from nndyn.systems.series.sampling import at_even_times

if TYPE_CHECKING:
    import xarray as xr


def from_array(
    states: Any,
    interval: float | None = None,
    *,
    names: Sequence[str] | Mapping[str, int] | None = None,
    roles: Sequence[str | int] | None = None,
    loss: Any = None,
    stationary: bool | None = None,
    time: str | None = None,
    resample: bool = False,
) -> xr.Dataset:
    """Return trajectories as a recording in memory, for every analyzer that takes one.

    Parameters
    ----------
    states : array_like, (T,), (T, D) or (T, R, D)
        Real numbers, a time a row; of R trajectories side by side only with three dimensions, the
        reference first. Of an `xarray.DataArray`, whose dimensions may come in any order (one of
        three is called ``replica``), name, units and the coordinate of times are used; of a
        `pandas.Series` or `DataFrame`, the columns and an index of dates or numbers.
    interval : float, optional
        Time between two rows, in time units, where there are no times; 1 unless given. Rows are
        steps where it is 1.
    names : sequence of str, or mapping of str to int, optional
        Of the D components; or of parameters, each with its number of components, one after the
        other.
    roles : sequence of str or int, optional
        Of the R trajectories: ``reference``, ``perturbed`` or ``control``, or 0, 1, 2. Unless
        given, all but the first are perturbed.
    loss : array_like, (T,) or (T, R), optional
        Of every state; with R trajectories (T,) is that of the reference, and the others have NaN.
    stationary : bool, optional
        Whether it is a motion on an attractor, and no transient such as training; unless given,
        True of one trajectory and False of several.
    time : str, optional
        Dimension or coordinate of a DataArray, or column of a DataFrame, that has the times.
    resample : bool, default False
        Interpolate linearly at even times, the median of the intervals apart, where times are
        uneven; one trajectory only.

    Returns
    -------
    xarray.Dataset
        With ``state`` (time, replica, component) and ``step_length`` (time, replica); of several
        trajectories also ``distance_*`` and ``deviation_alignment``, and mirrored ones are
        recognised as pairs. float64; with three dimensions float32 stays what it is. A trajectory
        that is not finite from some row on diverged there (``diverged_at``).

    Raises
    ------
    UsageError
        If `states` is no array of real numbers with one to three dimensions, which of its
        dimensions is time is not clear, `interval` is not above 0 or not that of the times, names
        or roles are not those of `states`, or `time` or `resample` do not apply.
    DataError
        If it is empty, a number is masked or not finite, there are fewer rows than columns, none
        of which has a name, a column of a frame has the name of times or is the first and only
        rises, or times are uneven.

    Notes
    -----
    Two passes. Numbers that are float64 and contiguous are not copied.

    Examples
    --------
    >>> recording = from_array(np.sin(0.1 * np.arange(1000)), interval=0.1)
    >>> recording.sizes["time"]
    1000
    """
    kind = type(states).__module__.partition(".")[0]  # so that neither is imported for nothing
    name = type(states).__name__
    if stationary is not None:
        stationary = flag("stationary", stationary)
    if kind == "xarray" and name == "Dataset":
        known = ", ".join(map(str, states.data_vars))
        raise UsageError(f"states is a Dataset; give one variable of it: {known}")
    labelled = kind == "xarray" and name == "DataArray"
    if replicas.are(states, labelled=labelled):
        if resample:
            raise UsageError("resample is for one trajectory; give states at even times")
        return replicas.as_recording(
            states,
            interval=interval,
            names=names,
            roles=roles,
            loss=loss,
            stationary=stationary,
            time=time,
            labelled=labelled,
        )
    if labelled:
        from nndyn.systems.series.labelled import from_dataarray

        series = from_dataarray(states, interval=interval, time=time, resample=resample)
    elif kind == "pandas" and name in ("Series", "DataFrame"):
        from nndyn.systems.series.labelled import from_frame

        series = from_frame(states, interval=interval, time=time, resample=resample)
    else:
        if time is not None:
            raise UsageError(f"time is {time!r}; it is of DataArrays and DataFrames, leave it out")
        rows = checked(states)
        if names is None:
            refuse_lying(rows, "give nndyn.from_array names, one for each column,")
        series = at_even_times(
            rows,
            named(None, rows.shape[1]),
            None,
            source="states",
            interval=interval,
            resample=resample,
        )
    if names is not None:
        found, sizes = replicas.parameters(names, series.rows.shape[1])
        series = replace(series, names=found, sizes=sizes)
    replicas.check_roles(roles, 1)
    values = replicas.losses(loss, len(series.rows), 1)
    return as_recording(series, more=values, stationary=stationary is not False)
