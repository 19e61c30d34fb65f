"""The options of a recording and of a training: one row each, whatever door they come in by.

The command line (record, sweep, onset), files of options, studies and the functions of Python take
their names, defaults and texts from here; tests hold signatures to it. The rows stand in the order
of the help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes
    ----------
    name : str
        As in Python; the command line has dashes.
    kind : str
        ``whole``, ``number``, ``text``, ``name`` (of `values`, others may be allowed as well),
        ``terms`` (such names, numbers behind a colon, several joined by commas),
        ``choice`` (of `values` alone), ``data``, ``path``, ``tangents``, or ``switch``, of which
        the flag turns the default over; empty for what the command line does not have.
    help : str
        What it is, as the command line says it.
    default : Any
    values : tuple of str
        Names that it takes.
    metavar : str, optional
        What stands for a value in the help.
    count : int
        How many values it takes.
    group : str
        ``training``, of `nndyn.Training`; ``recording``, of `nndyn.record`; ``run``, of both.
    together : bool
        Whether runs that advance as one batch may differ in it.
    of_trainings : str
        ``alone`` where others do not have it, ``taken`` where they have it without effect.
    required : bool
    told : bool
        Whether the help tells the default.
    elsewhere : mapping
        What `help` and `metavar` are for maps and flows.
    """

    name: str
    kind: str
    help: str
    default: Any = None
    values: tuple[str, ...] = ()
    metavar: str | None = None
    count: int = 1
    group: str = "recording"
    together: bool = False
    of_trainings: str = ""
    required: bool = False
    told: bool = True
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


DATA = ("digits", "iris", "wine", "breast-cancer", "fashion-mnist", "mnist")
ACTIVATIONS = ("tanh", "relu", "sigmoid", "gelu", "sin", "silu", "identity")
INITS = ("normal:S", "xavier", "kaiming", "default")
LOSSES = ("cross-entropy", "mse")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "nadam")
SCHEDULES = ("constant", "cosine:T", "warmup:K", "step:K", "step:K:G")
DTYPES = ("float64", "float32")


def _training(name: str, kind: str, help: str, default: Any = None, **more: Any) -> Option:
    return Option(name, kind, help, default, group="training", **more)


OPTIONS: tuple[Option, ...] = (
    _training(
        "data", "data", f"{', '.join(DATA)}, a .npz file or a table (.csv).", "digits", values=DATA
    ),
    _training("data_dir", "path", "Folder of the files of fashion-mnist and mnist."),
    _training("samples", "whole", "Train on N samples, stratified by label.", metavar="N"),
    _training(
        "model",
        "name",
        "mlp:INPUT-…-OUTPUT, such as mlp:64-32-10; cnn:CHANNELS-…, such as cnn:8-16; or "
        "package.module:factory, a function of yours that returns a torch module.  [default: that "
        "of data with a name, mlp:64-32-10 of digits]",
        values=("mlp:", "cnn:"),
    ),
    _training("test", "", "Test set, as data are."),
    _training(
        "activation",
        "name",
        f"{_listed(ACTIVATIONS)}; of mlp: and cnn:.",
        "tanh",
        values=ACTIVATIONS,
    ),
    _training(
        "init",
        "name",
        f"{_listed(INITS)} (torch's).  [default: normal:1 of mlp: and cnn:]",
        values=INITS,
        together=True,
    ),
    _training(
        "loss",
        "name",
        "cross-entropy (:label_smoothing=S:ignore_index=K:weight=W,W) or mse.",
        "cross-entropy",
        values=LOSSES,
    ),
    _training("optimizer", "name", f"{_listed(OPTIMIZERS)}.", "sgd", values=OPTIMIZERS),
    _training(
        "lr", "number", "Learning rate.  [default: 0.1 of sgd, 0.001 of the others]", together=True
    ),
    _training("momentum", "number", "Of sgd and rmsprop.", 0.0, together=True),
    _training("nesterov", "switch", "Nesterov's form of the momentum of sgd.", False),
    _training(
        "weight_decay",
        "number",
        "Added to the gradient; of adamw apart from it.",
        0.0,
        together=True,
    ),
    _training("betas", "number", "Of adam and its variants.", (0.9, 0.999), count=2, together=True),
    _training("alpha", "number", "Of rmsprop.", 0.99, together=True),
    _training("clip_norm", "number", "Shorten gradients longer than that (l2).", together=True),
    _training("batch_size", "whole", "Samples a step; full batch unless given."),
    _training(
        "schedule",
        "terms",
        f"Of the learning rate: {', '.join(SCHEDULES)}, or several joined by commas, which "
        "multiply.",
        "constant",
        values=SCHEDULES,
        together=True,
    ),
    _training("dtype", "name", f"{_listed(DTYPES)}.", "float64", values=DTYPES),
    _training("device", "name", "cpu, cuda or cuda:N.", "cpu", values=("cpu", "cuda")),
    Option("steps", "whole", "Steps of the system.", required=True),
    Option("replicas", "whole", "Perturbed copies.", 5),
    Option("epsilon", "number", "Perturbations are uniform in (-EPSILON, EPSILON).", 1e-8),
    Option(
        "perturb",
        "choice",
        "Perturb the weights alone, or biases too.",
        "weights",
        values=("weights", "all"),
        of_trainings="taken",
    ),
    Option("perturbations", "", "Added to the initial state as they are, (R, D)."),
    Option("pairs", "switch", "Mirror every second perturbation (±).", False),
    Option("control", "switch", "Leave out the unperturbed twin.", True),
    Option(
        "rescale",
        "whole",
        "Every K steps put deviations back to their initial length.",
        metavar="K",
    ),
    Option(
        "store",
        "text",
        "Which states to keep; distances are always kept.",
        "full",
        metavar="full|every:K|distances",
    ),
    Option(
        "state",
        "choice",
        "Keep the weights, or the optimizer's buffers too.",
        "weights",
        values=("weights", "phase"),
        of_trainings="taken",
    ),
    Option(
        "evaluate",
        "whole",
        "Steps between evaluations; each step in full batch, each epoch otherwise.",
        metavar="K",
        of_trainings="taken",
    ),
    Option(
        "seed",
        "whole",
        "Draws weights, initial states, perturbations and batch order.",
        0,
        group="run",
        elsewhere={"help": "Draws initial states and perturbations."},
    ),
    Option(
        "tangents",
        "tangents",
        "Tangent vectors to push along the reference; with them `replicas` may be 0.",
        0,
        metavar="K|all",
        told=False,
    ),
    Option("tangent_every", "whole", "Steps between their orthonormalizations.", 1, metavar="K"),
    Option(
        "tangent_start",
        "choice",
        "Begin in random directions of the weights, the optimizer's buffers last, of the whole "
        "phase, or in those of the perturbations.  [default: weights of trainings, random of maps "
        "and flows]",
        values=("weights", "random", "replicas"),
        elsewhere={
            "metavar": "random|replicas",
            "help": "Begin in random directions, or in those of the perturbations.  [default: "
            "random]",
        },
    ),
    Option(
        "sharpness",
        "text",
        "Extreme eigenvalues of the Hessian at every K-th step and the last.",
        metavar="every:K",
        of_trainings="alone",
    ),
    Option(
        "quadratic_model",
        "switch",
        "Follow the perturbations on the quadratic expansion of the loss at the start as well.",
        False,
        of_trainings="alone",
    ),
)

DEFAULTS = {row.name: row.default for row in OPTIONS}
#: Arguments of `nndyn.Training` that a text can give; the seed is that of the run.
TRAINING = tuple(row.name for row in OPTIONS if row.group == "training" and row.kind)
#: Options of `nndyn.record`; what else is given is an argument of the system.
RECORDING = tuple(row.name for row in OPTIONS if row.group == "recording")
#: What trainings that advance as one batch may differ in.
TOGETHER = tuple(row.name for row in OPTIONS if row.together)
#: Names that an option of a training takes, for help and completion; the modules that act on them
#: have tables of their own, and load torch.
CHOICES = {row.name: row.values for row in OPTIONS if row.group == "training" and row.values}
