"""Recipes: how the system of each run is made from options, by name or by a user's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from nndyn.errors import NndynError, UsageError
from nndyn.options import RECORDING, TOGETHER, TRAINING
from nndyn.systems.catalogue import entry
from nndyn.systems.defaults import model_for, rate_for
from nndyn.systems.spelling import NAMES, canonical
from nndyn.words.names import OPTIONS, did_you_mean

if TYPE_CHECKING:
    from nndyn.systems.protocol import System


@dataclass(frozen=True)
class Recipe:
    """What makes systems.

    Attributes
    ----------
    system : str or callable
        ``training``, the name of a map, flow or gradient-descent map, or a function that takes
        options (and ``seed``, if it has that parameter) and returns a system.
    """

    system: str | Callable[..., System]

    @property
    def name(self) -> str:
        """Name of the system, or of the function."""
        if isinstance(self.system, str):
            return self.system.replace("-", "_").lower()
        return str(getattr(self.system, "__name__", type(self.system).__name__))

    def check(self, options: Mapping[str, Any]) -> None:
        """Check that there is such a system, and that it and a recording have these options.

        Raises
        ------
        UsageError
            If not; names the option, and those there are.
        """
        known = self._known()
        if known is None:
            return
        for key in options:
            if key not in RECORDING and key not in known:
                options_of = (*known, *RECORDING)
                raise UsageError(
                    f"{self.name} has no option {key!r}; known: {', '.join(options_of)}"
                    f"{did_you_mean(key, options_of, OPTIONS)}"
                )

    def _known(self) -> tuple[str, ...] | None:
        """Return the options of the system; None where it takes any."""
        if callable(self.system):
            parameters = inspect.signature(self.system).parameters.values()
            if any(p.kind is p.VAR_KEYWORD for p in parameters):
                return None
            return tuple(p.name for p in parameters if p.name != "seed")
        if not isinstance(self.system, str):
            raise UsageError(
                f"system is {self.system!r}, expected 'training', a name of nndyn.systems, or a "
                "function that returns a system"
            )
        if self.name == "training":
            return (*TRAINING, "test")
        row = entry(self.name)
        timed = ("dt", "method") if row.kind == "flow" else ()
        return (*row.parameters, *timed, "initial", "discard")

    def factory(self) -> Callable[..., System]:
        """Import and return what makes the systems."""
        if callable(self.system):
            return self.system
        if self.name == "training":
            from nndyn.systems.training import Training

            return Training
        from nndyn import systems

        made: Callable[..., System] = getattr(systems, self.name)
        return made

    def spelled(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options with the names among those of a training as they are known here.

        Returns
        -------
        dict of str to value
            With the model of data that have a name, where none is given.
        """
        if self.name != "training" or callable(self.system):
            return dict(options)

        def known(value: Any) -> Any:
            return [canonical(v) for v in value] if isinstance(value, list) else canonical(value)

        spelled = {k: known(v) if k in NAMES else v for k, v in options.items()}
        model = model_for(spelled.get("data"), spelled.get("model"))
        return spelled if model is None else {**spelled, "model": model}

    def make(self, options: Mapping[str, Any], seed: int) -> System:
        """Return the system of a run; options of the recording are left alone."""
        own = {k: v for k, v in self.spelled(options).items() if k not in RECORDING}
        if callable(self.system):
            parameters = inspect.signature(self.system).parameters
            takes = "seed" in parameters or any(
                p.kind is p.VAR_KEYWORD for p in parameters.values()
            )
            try:
                made = self.system(**own, **({"seed": seed} if takes else {}))
            except NndynError:
                raise
            except Exception as error:  # a function of the user's may fail in any way
                raise UsageError(f"{self.name} failed: {type(error).__name__}: {error}") from error
            return self._checked(made)
        if self.name != "training":
            return self.factory()(**own)
        optimizer = own.get("optimizer", "sgd")
        if own.get("lr") is None and isinstance(optimizer, str):
            own["lr"] = rate_for(optimizer)
        return self.factory()(own.pop("model", None), own.pop("data", None), seed=seed, **own)

    def _checked(self, made: Any) -> System:
        """Return what a function of the user's returned, if it is a system."""
        if not is_system(made):
            raise UsageError(
                f"{self.name} returned {type(made).__name__}, expected a system: nndyn.Loop(…), "
                "nndyn.Training(…) or one of nndyn.systems"
            )
        return made

    def apart(self, axes: Mapping[str, Any]) -> list[str]:
        """Return the swept options that runs of one batch have to agree in."""
        if self.name == "training" and isinstance(self.system, str):
            return [key for key in axes if key not in TOGETHER]
        if isinstance(self.system, str):  # parameters that are numbers leave the shape alone
            return [key for key in axes if key in RECORDING or key in ("sites", "dt", "method")]
        return list(axes)


def made(
    system: System | str | Callable[..., System], options: Mapping[str, Any], seed: int
) -> System:
    """Return a system that is given as such, by name, or by a function that returns it.

    Parameters
    ----------
    system : System, str or callable
    options : mapping of str to value
        Of a system by name or function.
    seed : int
        Of such a system.

    Returns
    -------
    System
        What is neither a name nor a function is returned as it is.

    Raises
    ------
    UsageError
        If there is no such system, or it has no such option.
    """
    function = inspect.isroutine(system) or inspect.isclass(system) or isinstance(system, partial)
    if isinstance(system, str) or function:
        recipe = Recipe(cast("str | Callable[..., System]", system))
        recipe.check(options)
        return recipe.make(options, seed)
    if options:
        raise UsageError(
            f"record has no option {next(iter(options))!r}; known: {', '.join(RECORDING)}, and "
            "those of a system where it is given by name"
        )
    return cast("System", system)


def recorded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the recording."""
    return {k: v for k, v in options.items() if k in RECORDING}


def is_system(value: object) -> TypeGuard[System]:
    """Whether a value has all that a `System` has.

    Other than by `isinstance`, no property is computed: that there are tangents takes trials.

    Returns
    -------
    bool
    """
    from nndyn.systems.protocol import System

    names = [name for name in dir(System) if not name.startswith("_")]
    nothing = object()
    return all(
        inspect.getattr_static(value, name, nothing) is not nothing or hasattr(value, name)
        for name in names
    )
