"""Facts about what is reported: what was asked for, how it was made, and what identifies it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nndyn.errors import NndynError, UsageError
from nndyn.header import PIECE
from nndyn.header import manifest as manifest_of
from nndyn.reports.content import Facts
from nndyn.runtime.reproduction import reproduction, sweep_reproduction
from nndyn.store import facts
from nndyn.studies.design import Design
from nndyn.studies.folder import Folder
from nndyn.studies.index import open_study
from nndyn.words.calibration import calibration
from nndyn.words.numbers import show

if TYPE_CHECKING:
    import xarray as xr


#: What of a system is told apart from its options.
_NOT_ASKED = ("kind", "layers", "parameters", "train", "test")
_DIGEST = "sha256"


def of_recording(recording: xr.Dataset, name: str) -> Facts:
    """Return the facts of a recording.

    Parameters
    ----------
    recording : xarray.Dataset
    name : str
        What it is called.

    Returns
    -------
    Facts
        Of what was not recorded by nndyn they are few.

    Raises
    ------
    RecordingError
        If its attributes are of other kinds than they should be.
    """
    attrs = recording.attrs
    manifest = manifest_of(attrs, name)
    system, options = manifest.get("system", {}), manifest.get("recording", {})
    command, why = _command(manifest, name)
    asked = _pairs(system, but=_NOT_ASKED)
    if system.get("kind") != "training":
        asked |= _pairs(system.get("parameters"))
    for key, value in _pairs(options).items():  # a system and its recording have a seed each
        asked[key if asked.get(key, value) == value else f"{key} of the recording"] = value
    return Facts(
        system=in_short(system),
        date=str(manifest.get("created", ""))[:10],
        asked={
            "status": _status(recording, manifest),
            **asked,
            **_beside(manifest),
        },
        made=_made(manifest),
        hashes={
            **({"recording": str(attrs["recording_id"])} if "recording_id" in attrs else {}),
            **dict(_digests(system, "")),
        },
        command=command,
        no_command=why,
    )


def of_study(path: Path) -> Facts:
    """Return the facts of a study.

    Parameters
    ----------
    path : Path
        Its folder.

    Returns
    -------
    Facts
        Versions and hardware are those of the first recording that can be read.

    Raises
    ------
    RecordingError
        If its plan is damaged.
    """
    folder = Folder(path)
    planned, index = folder.design(), open_study(path)
    first: dict[str, Any] = {}
    for cell in planned.cells:
        try:
            first = facts(folder.recording(cell)).manifest
            break
        except NndynError:
            continue
    status = Counter(str(one) for one in index["status"].values.flat if one != "unplanned")
    runs = ", ".join(f"{n} {kind}" for kind, n in status.most_common())
    command, why = "", ""
    try:
        command = sweep_reproduction(
            planned.system, planned.options, planned.axes, len(planned.cells)
        )
    except UsageError as error:
        why = str(error)
    return Facts(
        system=in_short({"kind": planned.system, **_plain(first.get("system"), planned)}),
        date=str(first.get("created", ""))[:10],
        asked={
            "runs": runs,
            "system": planned.system,
            **{key: _axis(values) for key, values in planned.axes.items()},
            **_pairs(planned.options),
        },
        made=_made(first),
        hashes={"study": planned.id},
        command=command,
        no_command=why,
    )


def file_of(one: Path | xr.Dataset, name: str) -> str:
    """Return what commands call a recording or a study: its file, or its name where it has none."""
    source = str(one if isinstance(one, Path) else one.encoding.get("source", ""))
    file = Path(source).name
    return file if file and file != Path(name).name else name


def in_short(system: Mapping[str, Any]) -> str:
    """Return a system in a few words: ``mlp:64-32-10 on digits``, ``henon``."""
    if system.get("kind", "training") == "training" and "model" in system:
        return " on ".join(str(system[key]) for key in ("model", "data") if key in system)
    return str(system.get("name") or system.get("kind") or "recording")


def _plain(system: Any, planned: Design) -> dict[str, Any]:
    """Return what a system is of, where that is not swept."""
    found = system if isinstance(system, dict) else {}
    return {k: found[k] for k in ("kind", "model", "data", "name") if k in found} | {
        key: "several" for key in ("model", "data") if key in planned.axes
    }


def _command(manifest: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the options that make a recording again, or why there are none."""
    if not {"system", "recording", "steps"} <= manifest.keys():
        return "", "the recording does not say how it was made"
    try:
        return reproduction(manifest, name), ""
    except UsageError as error:
        return "", str(error)


def _status(recording: xr.Dataset, manifest: Mapping[str, Any]) -> str:
    """Return how far a recording is, and why it is no further."""
    there, asked = recording.sizes["time"], manifest.get("steps")
    extent = f"{there:,} times" if asked is None else f"{max(0, there - 1):,} of {asked:,} steps"
    status, reason = (str(recording.attrs.get(key, "")) for key in ("status", "stop_reason"))
    if PIECE in recording.attrs:
        extent = f"a piece, {there:,} of {int(recording.attrs[PIECE]):,} times"
    said = ": ".join(filter(None, (status, reason)))
    return f"{said}, {extent}" if said else extent


def _beside(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what a recording notes of how its options came out."""
    notes = manifest.get("notes", [])  # of a file that others wrote it may be anything
    found = {
        "epsilon": calibration(manifest),
        "one by one": str(manifest.get("one_by_one", "")),
        "notes": "; ".join(map(str, notes)) if isinstance(notes, list) else "",
    }
    return {key: text for key, text in found.items() if text}


def _made(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return when, with what and where steps were computed."""
    found: dict[str, str] = {}
    for session in (manifest, *manifest.get("continued", [])):
        start = session.get("from_step")
        when = str(session.get("created", ""))
        versions = ", ".join(f"{k} {v}" for k, v in session.get("versions", {}).items())
        hardware = ", ".join(
            f"{value} {key}" if key == "cores" else str(value)
            for key, value in session.get("hardware", {}).items()
            if value is not None
        )
        name = "recorded" if start is None else f"from step {start:,}"
        found |= {name: when, f"{name} with": versions, f"{name} on": hardware}
    return {key: text for key, text in found.items() if text}


def _pairs(values: Any, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return options by name, those that are not given left out."""
    if not isinstance(values, dict):
        return {}
    return {
        key.replace("_", " "): show(value)
        for key, value in values.items()
        if value is not None and key not in but and _DIGEST not in key
    }


def _digests(values: Any, place: str) -> Iterator[tuple[str, str]]:
    """Give the digests that a system states, wherever they stand.

    Yields
    ------
    str, str
        What it is of, and the digest.
    """
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _digests(value, f"{place}{key} ")
        elif key.endswith(_DIGEST) and isinstance(value, str):
            yield f"{place}{key.replace('_', ' ')}", value


def _axis(values: list[Any]) -> str:
    """Return the values of an axis, of many the first, the last and how many they are."""
    shown = [show(value) for value in values]
    if len(shown) <= 6:
        return ", ".join(shown)
    return f"{shown[0]} to {shown[-1]}, {len(shown)} values"
