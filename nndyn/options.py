"""The options of a recording and of a training, one row each, for the command line and Python.

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
        ``choice`` (of `values` alone, of which one with a colon stands for all that begin so),
        ``data``, ``path``, ``tangents``, ``size`` (a number or auto), ``often`` (a whole number or
        auto), or ``switch``, of which the flag turns the default over; empty for what the command
        line does not have.
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
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "nadam", "adagrad", "lion")
SCHEDULES = (
    *("constant", "cosine:T", "warmup:K", "step:K", "step:K:G", "exponential:G", "linear:T"),
    *("linear:T:E", "one-cycle:T", "one-cycle:T:P", "inverse-sqrt", "inverse-sqrt:K"),
)
DTYPES = ("float64", "float32")


def _training(name: str, kind: str, help: str, default: Any = None, **more: Any) -> Option:
    return Option(name, kind, help, default, group="training", **more)


OPTIONS: tuple[Option, ...] = (
    _training(
        "data",
        "data",
        f"Data set: {', '.join(DATA)}, a .npz file or a table (.csv).",
        "digits",
        values=DATA,
    ),
    _training("data_dir", "path", "Folder that holds the files of fashion-mnist or mnist."),
    _training("samples", "whole", "Number of training samples, stratified by label.", metavar="N"),
    _training(
        "model",
        "name",
        "Network: mlp:INPUT-…-OUTPUT, such as mlp:64-32-10; cnn:CHANNELS-…, such as cnn:8-16; or "
        "package.module:factory, a function of yours that returns a torch module.  [default: one "
        "for each named data set, mlp:64-32-10 for digits]",
        values=("mlp:", "cnn:"),
    ),
    _training("test", "", "Test set, in the form of the data."),
    _training(
        "activation",
        "name",
        f"Activation function: {_listed(ACTIVATIONS)} (mlp:, cnn:).",
        "tanh",
        values=ACTIVATIONS,
    ),
    _training(
        "init",
        "name",
        f"Initial weights: {_listed(INITS)} (torch's own).  [default: normal:1 for mlp: and cnn:]",
        values=INITS,
        together=True,
    ),
    _training(
        "loss",
        "name",
        "Loss: cross-entropy (:label_smoothing=S:ignore_index=K:weight=W,W) or mse.",
        "cross-entropy",
        values=LOSSES,
    ),
    _training("optimizer", "name", f"Optimizer: {_listed(OPTIMIZERS)}.", "sgd", values=OPTIMIZERS),
    _training(
        "lr",
        "number",
        "Learning rate.  [default: 0.1 for sgd, 0.01 for adagrad, 0.0001 for lion, 0.001 for the "
        "others]",
        together=True,
    ),
    _training("momentum", "number", "Momentum coefficient (sgd, rmsprop).", 0.0, together=True),
    _training("nesterov", "switch", "Use Nesterov momentum (sgd).", False),
    _training(
        "dampening",
        "number",
        "Share of a gradient that does not enter the momentum (sgd).",
        0.0,
        together=True,
    ),
    _training(
        "weight_decay",
        "number",
        "Weight decay, added to the gradient (decoupled from it in adamw and lion).",
        0.0,
        together=True,
    ),
    _training(
        "betas",
        "number",
        "Decay rates of the two moments (adam, adamw, nadam, lion).  [default: 0.9 0.999, 0.9 0.99 "
        "for lion]",
        count=2,
        together=True,
    ),
    _training(
        "amsgrad", "switch", "Divide by the largest second moment so far (adam, adamw).", False
    ),
    _training("alpha", "number", "Decay rate of the mean square (rmsprop).", 0.99, together=True),
    _training(
        "eps",
        "number",
        "Added to the root that a gradient is divided by (adam, adamw, nadam, rmsprop, adagrad).  "
        "[default: 1e-8, 1e-10 for adagrad]",
        together=True,
    ),
    _training(
        "lr_decay",
        "number",
        "Decay of the learning rate, lr / (1 + steps * LR_DECAY) (adagrad).",
        0.0,
        together=True,
    ),
    _training(
        "initial_accumulator_value",
        "number",
        "Initial sum of squares (adagrad).",
        0.0,
        together=True,
    ),
    _training("groups", "", "Parameters with hyperparameters of their own.", (), together=True),
    _training("clip_norm", "number", "Largest l2 norm of a gradient.", together=True),
    _training("clip_value", "number", "Largest size of a gradient's component.", together=True),
    _training(
        "accumulate",
        "whole",
        "Steps, a batch each, whose mean gradient makes one update of the weights.",
        1,
        metavar="K",
    ),
    _training(
        "ema",
        "number",
        "Decay of an exponential moving average of the weights, kept in the phase.",
        metavar="DECAY",
        together=True,
    ),
    _training("batch_size", "whole", "Samples per step; the full batch unless given."),
    _training(
        "schedule",
        "terms",
        f"Learning-rate schedule: {', '.join(SCHEDULES)}, or several joined by commas, which are "
        "multiplied.",
        "constant",
        values=SCHEDULES,
        together=True,
    ),
    _training(
        "start",
        "text",
        "Go on from a checkpoint (.pt, .safetensors) or a recording (.nc), at its last step or at "
        "STEP.",
        metavar="PATH[:STEP]",
    ),
    _training(
        "dtype", "name", f"Floating-point type: {_listed(DTYPES)}.", "float64", values=DTYPES
    ),
    _training("device", "name", "Device: cpu, cuda or cuda:N.", "cpu", values=("cpu", "cuda")),
    Option("steps", "whole", "Number of steps.", required=True),
    Option("replicas", "whole", "Number of perturbed replicas.", 5),
    Option(
        "epsilon",
        "size",
        "Size of the perturbations, uniform in (-EPSILON, EPSILON); auto: as small as rounding "
        "allows, from a trial.  [default: 1e-8, auto in float32]",
        metavar="SIZE|auto",
        elsewhere={
            "help": "Size of the perturbations, uniform in (-EPSILON, EPSILON).  [default: 1e-8]",
            "metavar": "SIZE",
        },
    ),
    Option(
        "perturb",
        "choice",
        "What is perturbed: the weights alone, the biases too, or the parameters named; or all "
        "along the gradient of a minibatch.",
        "weights",
        metavar="weights|all|gradient|parameters:NAME,…",
        values=("weights", "all", "gradient", "parameters:NAME,…"),
        of_trainings="taken",
    ),
    Option(
        "perturb_at",
        "whole",
        "Step at which the replicas are perturbed; before it they are the reference.  [default: "
        "the first]",
        metavar="T",
    ),
    Option("perturbations", "", "Perturbations to add to the initial state, (R, D)."),
    Option("pairs", "switch", "Draw the perturbations in mirrored pairs (±).", False),
    Option("control", "switch", "Leave out the control, a replica without a perturbation.", True),
    Option(
        "rescale",
        "whole",
        "Rescale deviations to their initial length every K steps.",
        metavar="K",
    ),
    Option(
        "store",
        "text",
        "States to store: all, every K-th, sketches of K numbers in place of large ones, or none; "
        "distances are always stored.",
        "full",
        metavar="full|every:K|[every:J,]sketch:K|distances",
        elsewhere={
            "help": "States to store; distances are always stored.",
            "metavar": "full|every:K|distances",
        },
    ),
    Option(
        "state",
        "choice",
        "What a state is: the weights, or the whole phase with the optimizer's buffers.",
        "weights",
        values=("weights", "phase"),
        of_trainings="taken",
    ),
    Option(
        "evaluate",
        "often",
        "Steps between evaluations; auto: as often as takes a twentieth of the work.  "
        "[default: 1 in full batch, else an epoch]",
        metavar="K|auto",
        of_trainings="taken",
    ),
    Option(
        "seed",
        "whole",
        "Seed of weights, initial states, perturbations and batch order.",
        0,
        group="run",
        elsewhere={"help": "Seed of initial states and perturbations."},
    ),
    Option(
        "tangents",
        "tangents",
        "Number of tangent vectors to carry along; with them `replicas` may be 0.",
        0,
        metavar="K|all",
        told=False,
    ),
    Option(
        "tangent_every",
        "whole",
        "Steps between orthonormalizations of the tangent vectors.",
        1,
        metavar="K",
    ),
    Option(
        "tangent_start",
        "choice",
        "Initial directions of the tangent vectors: random in the weights, those of the "
        "optimizer's buffers last; random in the whole phase; or those of the perturbations.  "
        "[default: weights for trainings, random for maps and flows]",
        values=("weights", "random", "replicas"),
        elsewhere={
            "metavar": "random|replicas",
            "help": "Initial directions of the tangent vectors: random, or those of the "
            "perturbations.  [default: random]",
        },
    ),
    Option(
        "sharpness",
        "text",
        "Compute the largest and the smallest eigenvalue of the Hessian every K steps and at the "
        "last; with top:N the N largest, and the smallest only with lowest; with midpoint the "
        "largest at the mean of three times as well.",
        metavar="every:K[,top:N][,lowest][,midpoint]",
        of_trainings="alone",
    ),
    Option(
        "critical_sharpness",
        "text",
        "Find every K steps along the next update the step length that raises the loss, by at most "
        "ten forward passes.",
        metavar="every:K",
        of_trainings="alone",
    ),
    Option(
        "barrier",
        "whole",
        "At the end, evaluate N points of the segment between the weights of any two replicas, and "
        "as many between them.",
        metavar="N",
        of_trainings="alone",
    ),
    Option(
        "quadratic_model",
        "switch",
        "Follow the perturbations on the quadratic expansion of the initial loss as well.",
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
