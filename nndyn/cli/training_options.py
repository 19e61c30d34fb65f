"""The options of a training, named as the arguments of `nndyn.Training`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.parameters import FilePath, Name, Number, Whole
from nndyn.cli.recording_options import with_option
from nndyn.systems.spelling import CHOICES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a training, before those that it has."""
    for option in reversed(_options()):
        with_option(function, option)
    return function


class _Data(Name):
    """A data set, for which the shell offers names, and files as well."""

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so, or else let the shell look for files."""
        return super().shell_complete(ctx, param, incomplete) or FilePath().shell_complete(
            ctx, param, incomplete
        )


def _listed(option: str) -> str:
    """Return the names that an option takes, as a sentence has them."""
    *most, last = CHOICES[option]
    return f"{', '.join(most)} or {last}"


def _options() -> list[click.Option]:
    return [
        click.Option(
            ["--data"],
            type=_Data(CHOICES["data"]),
            default="digits",
            show_default=True,
            help=f"{', '.join(CHOICES['data'])}, a .npz file or a table (.csv).",
        ),
        click.Option(
            ["--data-dir"],
            type=FilePath(),
            help="Folder of the files of fashion-mnist and mnist.",
        ),
        click.Option(
            ["--samples"],
            type=Whole(),
            metavar="N",
            help="Train on N samples, stratified by label.",
        ),
        click.Option(
            ["--model"],
            type=Name(("mlp:", "cnn:")),
            help="mlp:INPUT-…-OUTPUT, such as mlp:64-32-10; cnn:CHANNELS-…, such as cnn:8-16; or "
            "package.module:factory, a function of yours that returns a torch module.  [default: "
            "that of data with a name, mlp:64-32-10 of digits]",
        ),
        click.Option(
            ["--activation"],
            type=Name(CHOICES["activation"]),
            default="tanh",
            show_default=True,
            help=f"{_listed('activation')}; of mlp: and cnn:.",
        ),
        click.Option(
            ["--init"],
            type=Name(CHOICES["init"]),
            help=f"{_listed('init')} (torch's).  [default: normal:1 of mlp: and cnn:]",
        ),
        click.Option(
            ["--loss"],
            type=Name(CHOICES["loss"]),
            default="cross-entropy",
            show_default=True,
            help="cross-entropy (:label_smoothing=S:ignore_index=K:weight=W,W) or mse.",
        ),
        click.Option(
            ["--optimizer"],
            type=Name(CHOICES["optimizer"]),
            default="sgd",
            show_default=True,
            help=f"{_listed('optimizer')}.",
        ),
        click.Option(
            ["--lr"],
            type=Number(),
            help="Learning rate.  [default: 0.1 of sgd, 0.001 of the others]",
        ),
        click.Option(
            ["--momentum"],
            type=Number(),
            default=0.0,
            show_default=True,
            help="Of sgd and rmsprop.",
        ),
        click.Option(["--nesterov"], is_flag=True, help="Nesterov's form of the momentum of sgd."),
        click.Option(
            ["--weight-decay"],
            type=Number(),
            default=0.0,
            show_default=True,
            help="Added to the gradient; of adamw apart from it.",
        ),
        click.Option(
            ["--betas"],
            type=Number(),
            nargs=2,
            default=(0.9, 0.999),
            show_default=True,
            help="Of adam and its variants.",
        ),
        click.Option(
            ["--alpha"], type=Number(), default=0.99, show_default=True, help="Of rmsprop."
        ),
        click.Option(
            ["--clip-norm"], type=Number(), help="Shorten gradients longer than that (l2)."
        ),
        click.Option(
            ["--batch-size"], type=Whole(), help="Samples a step; full batch unless given."
        ),
        click.Option(
            ["--schedule"],
            type=Name(name.partition(":")[0] for name in CHOICES["schedule"]),
            default="constant",
            show_default=True,
            help=f"Of the learning rate: {', '.join(CHOICES['schedule'])}, or several joined by "
            "commas, which multiply.",
        ),
        click.Option(
            ["--sharpness"],
            metavar="every:K",
            help="Extreme eigenvalues of the Hessian at every K-th step and the last.",
        ),
        click.Option(
            ["--quadratic-model"],
            is_flag=True,
            help="Follow the perturbations on the quadratic expansion of the loss at the start as "
            "well.",
        ),
        click.Option(
            ["--dtype"],
            type=Name(CHOICES["dtype"]),
            default="float64",
            show_default=True,
            help=f"{_listed('dtype')}.",
        ),
        click.Option(
            ["--device"],
            type=Name(CHOICES["device"]),
            default="cpu",
            show_default=True,
            help="cpu, cuda or cuda:N.",
        ),
    ]
