"""Modes in which modules run, set and restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put `module` in eval mode, and every part back into its own."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def plain() -> Iterator[None]:
    """Let autograd record where it is asked to, and attention compute alike in all modes."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def recurrent_in_full(module: nn.Module) -> Iterator[None]:
    """Keep recurrent layers off the libraries that differentiate them once only."""
    if not any(isinstance(part, nn.RNNBase) for part in module.modules()):
        yield
        return
    mkldnn = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)  # the public context sets what is not there, and warns
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch._C._set_mkldnn_enabled(mkldnn)
