"""nndyn: dynamical-systems analysis of neural-network training.

``nndyn.record`` runs a system with perturbed replicas and stores what happens, ``nndyn.open`` reads
it back, and every analyzer (``nndyn.lyapunov``, …) is a function of a recording. Names are loaded
on first use: importing nndyn imports neither torch nor numba, xarray or matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nndyn._version import __version__

if TYPE_CHECKING:
    from analyzers.endings.analyzer import endings
    from analyzers.exploration.analyzer import exploration
    from analyzers.learning.analyzer import learning
    from analyzers.lyapunov.analyzer import lyapunov
    from analyzers.recurrence.analyzer import recurrence
    from analyzers.series.autocorrelation import autocorrelation
    from analyzers.spectrum.analyzer import spectrum
    from nndyn import systems
    from nndyn.comparison.comparison import compare
    from nndyn.errors import NndynError
    from nndyn.finder.search import find_onset
    from nndyn.reports.report import report
    from nndyn.store import open_recording as open
    from nndyn.studies.index import open_study
    from nndyn.studies.sweep import sweep
    from nndyn.systems.series.arrays import from_array
    from nndyn.systems.series.handmade import validate
    from nndyn.systems.training import Training
    from nndyn.systems.training.batches.drawn import replay
    from nndyn.systems.training.loop.system import Loop
    from nndyn.systems.user import Flow, Map
    from recorders.apart.checkpoints import from_checkpoints
    from recorders.batch import record_batch
    from recorders.ensemble import record
    from recorders.join import join
    from recorders.segments.barrier import barrier
    from recorders.twins.ensemble import twins
    from recorders.watch.opening import watch

__all__ = [
    "Flow",
    "Loop",
    "Map",
    "NndynError",
    "Training",
    "__version__",
    "autocorrelation",
    "barrier",
    "compare",
    "endings",
    "exploration",
    "find_onset",
    "from_array",
    "from_checkpoints",
    "join",
    "learning",
    "lyapunov",
    "open",
    "open_study",
    "record",
    "record_batch",
    "recurrence",
    "replay",
    "report",
    "spectrum",
    "sweep",
    "systems",
    "twins",
    "validate",
    "watch",
]

#: Where each public name lives; analyzers come from their own table.
_PUBLIC = {
    "Flow": ("nndyn.systems.user", "Flow"),
    "Loop": ("nndyn.systems.training.loop.system", "Loop"),
    "Map": ("nndyn.systems.user", "Map"),
    "NndynError": ("nndyn.errors", "NndynError"),
    "Training": ("nndyn.systems.training", "Training"),
    "barrier": ("recorders.segments.barrier", "barrier"),
    "compare": ("nndyn.comparison.comparison", "compare"),
    "find_onset": ("nndyn.finder.search", "find_onset"),
    "from_array": ("nndyn.systems.series.arrays", "from_array"),
    "from_checkpoints": ("recorders.apart.checkpoints", "from_checkpoints"),
    "join": ("recorders.join", "join"),
    "open": ("nndyn.store", "open_recording"),
    "open_study": ("nndyn.studies.index", "open_study"),
    "record": ("recorders.ensemble", "record"),
    "record_batch": ("recorders.batch", "record_batch"),
    "replay": ("nndyn.systems.training.batches.drawn", "replay"),
    "report": ("nndyn.reports.report", "report"),
    "sweep": ("nndyn.studies.sweep", "sweep"),
    "twins": ("recorders.twins.ensemble", "twins"),
    "validate": ("nndyn.systems.series.handmade", "validate"),
    "watch": ("recorders.watch.opening", "watch"),
}


def __getattr__(name: str) -> Any:
    """Load a public name, or an analyzer of the table, on first use."""
    if name in ("systems", "integrations"):
        return import_module(f"nndyn.{name}")
    if name.startswith("_") or find_spec(f"nndyn.{name}"):  # a submodule not imported yet
        raise AttributeError(f"module 'nndyn' has no attribute {name!r}")
    if name in _PUBLIC:
        module, attribute = _PUBLIC[name]
        _ours(module)
        value = getattr(import_module(module), attribute)
    else:
        _ours("analyzers")
        analyzers = import_module("analyzers")
        if name not in analyzers.names():
            raise AttributeError(f"module 'nndyn' has no attribute {name!r}")
        value = import_module("nndyn.analysis").analyzer(name)
    if name != "NndynError":
        _ours("analyzers")
        import_module("nndyn.accessor")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, those of other distributions' analyzers too."""
    return sorted({*__all__, *import_module("analyzers").names()})


def _ours(module: str) -> None:
    """Refuse a package of another distribution that hides ours of the same name."""
    top = module.partition(".")[0]
    if top != "nndyn" and getattr(import_module(top), "DISTRIBUTION", None) != "nndyn":
        errors = import_module("nndyn.errors")
        raise errors.InstallationError(
            f"the package {top!r} at {import_module(top).__file__} is not nndyn's and hides it; "
            "remove the distribution it belongs to, or put nndyn first on the path"
        )
