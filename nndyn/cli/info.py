"""``nndyn info PATH``, of a recording or a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nndyn.cli.output import print_json, print_lines, say
from nndyn.cli.parameters import FilePath
from nndyn.errors import UsageError
from nndyn.runtime.reproduction import reproduction
from nndyn.words.calibration import calibration
from nndyn.words.numbers import show
from nndyn.words.text import size


@click.command(
    help="Show what a recording or study holds, or print the options that reproduce a recording."
)
@click.argument("path", type=FilePath())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--config", "as_config", is_flag=True, help="Print TOML for `nndyn record --config`.")
def info(path: Path, as_json: bool, as_config: bool) -> None:
    """Print the facts of a recording."""
    from nndyn.header import PIECE
    from nndyn.header import manifest as manifest_of
    from nndyn.store import open_recording, reading

    if path.is_dir():
        _study(path, as_json=as_json, as_config=as_config)
        return
    with reading(path), open_recording(path) as recording:
        manifest = manifest_of(recording.attrs, str(path), made=True)
        facts = {
            "path": str(path),
            "id": recording.attrs["recording_id"],
            "schema": int(recording.attrs["nndyn_schema"]),
            "status": recording.attrs["status"],
            "stop_reason": recording.attrs["stop_reason"],
            **({"piece_of": int(recording.attrs[PIECE])} if PIECE in recording.attrs else {}),
            "stationary": bool(recording.attrs["stationary"]),
            "bytes": path.stat().st_size,
            "sizes": {str(k): int(v) for k, v in recording.sizes.items()},
            "variables": {str(k): list(v.dims) for k, v in recording.variables.items()},
            "perturbed_share": _share(recording),
            "manifest": manifest,
        }
    if as_config:
        print_lines(reproduction(manifest, str(path)))
    elif as_json:
        print_json(facts)
    else:
        _print(facts)


def _share(recording: Any) -> float | None:
    """Return the least share of the perturbed components that differ, None where it is unknown."""
    found = recording.get("perturbed_share")
    known = [] if found is None else [float(v) for v in found.values if v == v]
    return min(known, default=None)


def _study(path: Path, *, as_json: bool, as_config: bool) -> None:
    """Print the facts of a study."""
    from nndyn import open_study

    if as_config:
        raise UsageError(f"{path} is a study; --config is of recordings, such as those in it")
    index = open_study(path)
    status = index["status"].values.ravel()
    facts = {
        "path": str(path),
        "id": index.attrs["study_id"],
        "system": index.attrs["system"],
        "options": json.loads(index.attrs["options"]),
        "axes": {str(name): index[name].values.tolist() for name in index.dims},
        "status": {str(kind): int((status == kind).sum()) for kind in dict.fromkeys(status)},
    }
    if as_json:
        print_json(facts)
        return
    axes = [f"{name} {_span(values)}" for name, values in facts["axes"].items()]
    for key, value in (
        ("study", facts["id"]),
        ("status", ", ".join(f"{n} {kind}" for kind, n in facts["status"].items())),
        ("system", facts["system"]),
        ("options", _pairs(facts["options"])),
        *((("axes" if i == 0 else ""), axis) for i, axis in enumerate(axes)),
    ):
        say(f"{key:10} {value}")


def _span(values: list[Any]) -> str:
    """Return the values of an axis, of many the first, the last and how many they are."""
    shown = [show(v) for v in values]
    return (
        ", ".join(shown) if len(shown) <= 6 else f"{shown[0]} to {shown[-1]}, {len(shown)} values"
    )


def _print(facts: dict[str, Any]) -> None:
    manifest, sizes = facts["manifest"], facts["sizes"]
    asked, there = manifest["steps"], max(0, sizes["time"] - 1)
    done = f"{sizes['time']:,} times" if asked is None else f"{there:,} of {asked:,} steps"
    status = facts["status"] + (f": {facts['stop_reason']}" if facts["stop_reason"] else "")
    if "piece_of" in facts:
        status = f"a piece, {sizes['time']:,} of {facts['piece_of']:,} times, of a run {status}"
    system = {k: v for k, v in manifest["system"].items() if not isinstance(v, dict | list)}
    if system.get("kind") != "training":
        given = manifest["system"].get("parameters", {})
        system |= given if isinstance(given, dict) else {}
    lines = {
        "recording": facts["id"],
        "status": f"{status} ({done})",
        "system": _pairs(system),
        "options": _pairs(manifest["recording"]),
        **_perturbed(manifest, facts["perturbed_share"]),
        **_network(manifest),
        "sizes": _pairs(sizes),
        "file": f"{size(facts['bytes'])}, schema {facts['schema']}",
        "made": _made(manifest),
    }
    notes = manifest.get("notes", [])  # of a file that others wrote it may be anything
    lines |= {"notes": "; ".join(map(str, notes))} if notes and isinstance(notes, list) else {}
    for session in manifest.get("continued", []):
        lines[f"from {session['from_step']:,}"] = _made(session)
    for key, value in lines.items():
        say(f"{key:10} {value}")


def _perturbed(manifest: dict[str, Any], share: float | None) -> dict[str, str]:
    """Return what epsilon rests on where a trial chose it, and what rounding left of it."""
    said = [calibration(manifest)]
    if share is not None and share < 1.0:
        said.append(f"{share:.1%} of what is perturbed differs after rounding")
    text = "; ".join(filter(None, said))
    return {"epsilon": text} if text else {}


def _network(manifest: dict[str, Any]) -> dict[str, str]:
    """Return what of a network does not train, and why replicas were computed in turn."""
    layers = manifest["system"].get("layers")  # a list, of networks of ours
    frozen = layers.get("frozen", {}) if isinstance(layers, dict) else {}
    shapes = [f"{name} {tuple(held['shape'])}" for name, held in frozen.items()]
    found = {"frozen": ", ".join(shapes), "one by one": manifest.get("one_by_one", "")}
    return {key: text for key, text in found.items() if text}


def _made(session: dict[str, Any]) -> str:
    """Return when, with what and where steps were computed."""
    hardware = session.get("hardware", {})
    where = " ".join(filter(None, (hardware.get("processor"), hardware.get("instructions"))))
    versions = _pairs(session.get("versions", {}))
    return ", ".join(filter(None, (session.get("created"), versions, where)))


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in values.items() if v is not None)
