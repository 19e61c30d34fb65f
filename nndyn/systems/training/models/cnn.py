"""Convolutional networks of a spec such as ``cnn:8-16``."""

from __future__ import annotations

import itertools
import re

from torch import nn

from nndyn.checks import choice
from nndyn.errors import UsageError
from nndyn.systems.training.models.spec import allocate
from nndyn.systems.training.perceptron.activations import ACTIVATIONS


def from_spec(
    spec: str, activation: str, image: tuple[int, int, int] | None, outputs: int
) -> nn.Module:
    """Return the network of `spec` for images of one shape, its weights not yet drawn.

    Parameters
    ----------
    spec : str
        ``cnn:`` and the channels of every convolution.
    activation : str
    image : (channels, height, width) or None
        None where the samples are not images.
    outputs : int
        Number of classes or targets.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If `spec` is not ``cnn:`` and positive numbers, the samples are not images, an image is
        too small to be halved once a convolution, or the network does not fit into memory.
    UnknownNameError
        If `activation` is not known.

    Notes
    -----
    A convolution is 3x3 with a border of zeros, followed by the activation and by an average over
    2x2 squares, which halves height and width (a last odd row or column is left out); a linear
    layer behind the last gives the outputs. Averages, unlike maxima, leave the map smooth.
    """
    choice("activation", activation, ACTIVATIONS)
    if re.fullmatch(r"cnn:[1-9]\d{0,17}(?:-[1-9]\d{0,17})*", spec) is None:
        raise UsageError(
            f"model {spec!r} is not a spec; give cnn: and the channels of every convolution, "
            "such as 'cnn:8-16'"
        )
    if image is None:
        raise UsageError(
            f"model {spec!r} takes images; give x as (samples, channels, height, width)"
        )
    channels, height, width = image
    widths = [channels, *map(int, spec.removeprefix("cnn:").split("-"))]
    halvings = len(widths) - 1
    if min(height, width) < 2**halvings:
        raise UsageError(
            f"model {spec!r} halves its images {halvings} times, and they have {height} x {width} "
            "pixels; give fewer convolutions"
        )
    modules: list[nn.Module] = []
    for inputs, kept in itertools.pairwise(widths):
        # without storage, hence without a draw from the global random state
        try:
            convolution = nn.Conv2d(inputs, kept, 3, padding=1, device="meta")
        except (RuntimeError, TypeError) as error:  # a number that no size can have
            raise UsageError(f"model {spec!r} has {kept} channels") from error
        modules += [convolution, ACTIVATIONS[activation].module(), nn.AvgPool2d(2)]
    features = widths[-1] * (height >> halvings) * (width >> halvings)
    modules += [nn.Flatten(), nn.Linear(features, outputs, device="meta")]
    return allocate(nn.Sequential(*modules))
