"""Where a recording comes from: versions, hardware, identity, hashes."""

from __future__ import annotations

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

_DISTRIBUTIONS = ("numpy", "scipy", "torch", "numba", "xarray", "netCDF4")


def provenance() -> dict[str, Any]:
    """Return versions, hardware and time of creation, as JSON values."""
    versions = {"nndyn": __version__, "python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an optional part of an installation
            continue
    return {
        "versions": versions,
        "hardware": {
            "processor": _processor(),
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


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
