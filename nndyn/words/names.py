"""Names that are perhaps meant by one that is not known, by spelling or by synonym."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

#: What others call an option; of several names the first that is known counts.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "learning_rate": ("lr",),
    "eta": ("lr",),
    "step_size": ("lr", "dt"),
    "epoch": ("steps",),
    "epochs": ("steps",),
    "num_epochs": ("steps",),
    "iterations": ("steps",),
    "iters": ("steps",),
    "n_iter": ("steps",),
    "max_iter": ("steps",),
    "length": ("steps",),
    "duration": ("steps",),
    "batch": ("batch_size",),
    "minibatch": ("batch_size",),
    "copies": ("replicas",),
    "ensemble": ("replicas",),
    "members": ("replicas",),
    "eps": ("epsilon", "radius"),
    "noise": ("epsilon",),
    "perturbation": ("epsilon",),
    "delta": ("epsilon",),
    "network": ("model",),
    "net": ("model",),
    "arch": ("model",),
    "architecture": ("model",),
    "hidden": ("model",),
    "hidden_size": ("model",),
    "layers": ("model",),
    "units": ("model",),
    "dataset": ("data",),
    "train": ("data",),
    "root": ("data_dir",),
    "n_samples": ("samples",),
    "subset": ("samples",),
    "nonlinearity": ("activation",),
    "act": ("activation",),
    "criterion": ("loss",),
    "objective": ("loss",),
    "optim": ("optimizer",),
    "solver": ("optimizer", "method"),
    "integrator": ("method",),
    "decay": ("weight_decay",),
    "wd": ("weight_decay",),
    "l2": ("weight_decay",),
    "beta": ("betas",),
    "rho": ("alpha",),
    "clip": ("clip_norm", "clip_value"),
    "clip_grad": ("clip_norm", "clip_value"),
    "gradient_accumulation_steps": ("accumulate",),
    "accumulate_grad_batches": ("accumulate",),
    "grad_accum": ("accumulate",),
    "ema_decay": ("ema",),
    "param_groups": ("groups",),
    "parameter_groups": ("groups",),
    "grad_clip": ("clip_norm",),
    "max_grad_norm": ("clip_norm",),
    "lr_scheduler": ("schedule",),
    "scheduler": ("schedule",),
    "weights": ("init",),
    "initialization": ("init",),
    "initializer": ("init",),
    "precision": ("dtype",),
    "gpu": ("device",),
    "cuda": ("device",),
    "time_step": ("dt",),
    "timestep": ("dt",),
    "delta_t": ("dt",),
    "h": ("dt",),
    "burn_in": ("discard",),
    "warmup": ("discard", "schedule"),
    "transient": ("discard", "burn_in"),
    "skip": ("discard", "burn_in"),
    "parameter": ("param",),
    "params": ("param",),
    "set": ("param",),
    "renormalize": ("rescale",),
    "reset": ("rescale",),
    "vectors": ("tangents",),
    "exponents": ("tangents",),
    "n_exponents": ("tangents",),
    "qr": ("tangent_every",),
    "save": ("store", "output"),
    "save_every": ("store",),
    "stride": ("store",),
    "eval_every": ("evaluate",),
    "random_state": ("seed",),
    "random_seed": ("seed",),
    "rng": ("seed",),
    "n_seeds": ("seeds",),
    "runs": ("seeds", "replicas"),
    "trials": ("seeds",),
    "repeats": ("seeds",),
    "jobs": ("workers",),
    "n_jobs": ("workers",),
    "processes": ("workers",),
    "cores": ("workers",),
    "cpus": ("workers",),
    "parallel": ("workers",),
    "out": ("output",),
    "outfile": ("output",),
    "file": ("output",),
    "force": ("overwrite",),
    "replace": ("overwrite",),
    "continue": ("resume",),
    "restart": ("resume",),
    "sampling_interval": ("interval",),
    "sampling_rate": ("interval",),
    "fs": ("interval",),
    "columns": ("column",),
    "delimiter": ("separator",),
    "sep": ("separator",),
    "theiler_window": ("theiler",),
    "embedding": ("dimension",),
    "embedding_dimension": ("dimension",),
    "emb_dim": ("dimension",),
    "m": ("dimension",),
    "tau": ("delay",),
    "lag": ("delay", "max_lag"),
    "metric": ("norm", "distance"),
    "lmin": ("min_diagonal",),
    "min_line": ("min_diagonal",),
    "vmin": ("min_vertical",),
    "ci": ("confidence",),
    "level": ("confidence",),
    "significance": ("confidence",),
    "accuracy": ("threshold",),
    "target": ("threshold",),
    "range": ("window",),
    "from": ("window",),
    "axis": ("along",),
    "x": ("along",),
}
#: What others call a command, an analyzer, a system or a name that an option takes.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "run": ("record",),
    "simulate": ("record",),
    "start": ("record",),
    "grid": ("sweep",),
    "study": ("sweep", "study"),
    "scan": ("sweep",),
    "analysis": ("analyze",),
    "compute": ("analyze",),
    "draw": ("plot",),
    "figure": ("plot",),
    "show": ("info",),
    "inspect": ("info",),
    "check": ("verify",),
    "validate": ("verify",),
    "list": ("systems",),
    "maps": ("systems", "map"),
    "search": ("onset",),
    "example": ("demo",),
    "tutorial": ("demo",),
    "help": ("explain",),
    "verdict": ("explain",),
    "network": ("training",),
    "nn": ("training",),
    "neural_network": ("training",),
    "ode": ("flow",),
    "timeseries": ("series",),
    "csv": ("series",),
    "descent": ("gd",),
    "mle": ("lyapunov",),
    "nmle": ("lyapunov",),
    "lle": ("lyapunov",),
    "lce": ("lyapunov",),
    "exponent": ("lyapunov",),
    "chaos": ("lyapunov",),
    "ftle": ("spectrum",),
    "kaplan_yorke": ("spectrum",),
    "exponents": ("spectrum",),
    "rqa": ("recurrence",),
    "rp": ("recurrence",),
    "msd": ("exploration",),
    "diffusion": ("exploration",),
    "tortuosity": ("exploration",),
    "accuracy": ("learning",),
    "training_time": ("learning",),
    "chirikov": ("standard",),
    "arnold": ("cat",),
    "cml": ("coupled_logistic",),
    "l63": ("lorenz63",),
    "l96": ("lorenz96",),
    "roessler": ("rossler",),
    "gradient_descent": ("sgd",),
    "gd": ("sgd",),
    "momentum": ("sgd",),
    "ce": ("cross-entropy",),
    "nll": ("cross-entropy",),
    "l2": ("mse",),
    "swish": ("silu",),
    "logistic": ("sigmoid",),
    "linear": ("identity",),
    "sine": ("sin",),
    "he": ("kaiming",),
    "glorot": ("xavier",),
    "gaussian": ("normal:1",),
    "normal": ("normal:1",),
    "f64": ("float64",),
    "double": ("float64",),
    "single": ("float32",),
    "f32": ("float32",),
    "float16": ("float32",),
    "gpu": ("cuda",),
    "cifar10": ("fashion-mnist",),
    "fashion": ("fashion-mnist",),
    "cancer": ("breast-cancer",),
}
#: How alike two names are to be, from 0 to 1.
_ALIKE = 0.6


def meant(
    name: object, known: Iterable[str], synonyms: Mapping[str, tuple[str, ...]] = SYNONYMS
) -> list[str]:
    """Return those of the known names that are perhaps meant, the likeliest first.

    Parameters
    ----------
    name : object
        As it was given; what is no text is like no name.
    known : iterable of str
        Dashes and underscores are alike, and so are capitals.
    synonyms : mapping of str to tuple of str
        `SYNONYMS` or `OPTIONS`.

    Returns
    -------
    list of str
        Two at most.
    """
    known = list(known)
    by_form = {_form(one): one for one in known}
    form = _form(str(name))
    if found := called(name, known, synonyms):
        return found
    begun = [one for key, one in by_form.items() if len(form) > 2 and key.startswith(form)]
    alike = get_close_matches(form, by_form, n=2, cutoff=_ALIKE)
    return list(dict.fromkeys([*(by_form[key] for key in alike), *begun]))[:2]


def called(
    name: object, known: Iterable[str], synonyms: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """Return the known name that others call so: one, or none.

    Returns
    -------
    list of str
    """
    by_form = {_form(one): one for one in known}
    wanted = map(_form, synonyms.get(_form(str(name)), ()))
    return [by_form[form] for form in wanted if form in by_form][:1]


def did_you_mean(
    name: object, known: Iterable[str], synonyms: Mapping[str, tuple[str, ...]] = SYNONYMS
) -> str:
    """Return the end of a message on a name that is not known, empty where none is like it.

    Parameters
    ----------
    name, known, synonyms
        As of `meant`.

    Returns
    -------
    str
        Such as ``"; did you mean 'tent'?"``.
    """
    found = meant(name, known, synonyms)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def _form(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
