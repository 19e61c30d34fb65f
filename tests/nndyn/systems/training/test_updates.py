"""Every update rule against its counterpart in torch.optim."""

import pytest
import torch

from nndyn.systems.training.updates import SGD, Adam

CASES = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (SGD(0.02, 0.9), lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9)),
    (Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    (Adam(0.01, (0.5, 0.8)), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.8))),
    (Adam(0.01, (0.0, 0.0)), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.0))),
]


@pytest.mark.parametrize(("rule", "optimizer"), CASES)
def test_rule_equals_torch_over_200_steps(rule, optimizer):
    generator = torch.Generator().manual_seed(3)
    rows, size = 3, 11
    start = torch.randn(rows, size, dtype=torch.float64, generator=generator)
    curvature = torch.rand(size, dtype=torch.float64, generator=generator) + 0.1
    target = torch.randn(size, dtype=torch.float64, generator=generator)
    parameters = [torch.nn.Parameter(row.clone()) for row in start]
    optimizers = [optimizer([p]) for p in parameters]
    phase = torch.cat([start, torch.zeros(rows, rule.buffers * size, dtype=torch.float64)], 1)
    for t in range(200):
        gradient = curvature * (phase[:, :size] - target)
        before = phase.clone()
        out = torch.full_like(phase, torch.nan)
        rule(phase, gradient, t, out)
        assert torch.equal(phase, before)
        phase = out
        for p, o in zip(parameters, optimizers, strict=True):
            p.grad = curvature * (p.detach() - target)
            o.step()
        expected = torch.stack([p.detach() for p in parameters])
        torch.testing.assert_close(phase[:, :size], expected, rtol=1e-12, atol=1e-14)
