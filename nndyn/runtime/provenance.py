"""Provenance of a recording: versions, hardware, identity, hashes."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import uuid
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nndyn._version import __version__

#: Raised whenever the same call gives other bits than before, be it the last one of a sum.
ARITHMETIC = 6
#: Of recordings made before there was such a number.
FIRST_ARITHMETIC = 1

#: Of a processor's vector instructions, the first that it has decide how libraries round.
_INSTRUCTIONS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
_DISTRIBUTIONS = ("numpy", "scipy", "torch", "numba", "xarray", "netCDF4")


def provenance() -> dict[str, Any]:
    """Return what decides the bits of a recording, and its time of creation, as JSON values.

    Returns
    -------
    dict
        ``arithmetic``, ``versions``, ``hardware``, ``created``.
    """
    processor, instructions = _processor()
    return {
        "arithmetic": ARITHMETIC,
        "versions": {**_versions()},
        "hardware": {
            "processor": processor,
            "instructions": instructions,
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def new_id() -> str:
    """Return an identity for a recording, unique without coordination."""
    return uuid.uuid4().hex


def digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes, in hexadecimal."""
    array = np.ascontiguousarray(array)
    h = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    h.update(array.data if array.size else b"")
    return h.hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    versions = {"nndyn": __version__, "python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an optional part of an installation
            continue
    return versions


@functools.cache
def _processor() -> tuple[str, str]:
    """Return the name of the processor, and its widest vector instructions, empty if not known."""
    facts: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    flags = facts.get("flags", facts.get("Features", "")).split()
    instructions = next((name for flag, name in _INSTRUCTIONS.items() if flag in flags), "")
    return facts.get("model name") or platform.processor() or platform.machine(), instructions
