"""Two networks that play against each other: do the copies of a GAN separate?

    python examples/gan.py                            learning rate 0.01, half a minute
    python examples/gan.py --lr 0.003 --steps 1000 -o mine.png

A generator learns to place points on a ring of eight Gaussians, a critic to tell them from real
ones; each has an optimizer of its own. One update of both is one step of `nndyn.Loop`. Weights are
float64, which carry a perturbation of 1e-8; the noise that the generator is fed with is the same
for all copies.
"""

import argparse
import itertools
import math
import tempfile
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import nndyn
from nndyn.figures import save

BLUE, SKY, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#777777"
ANGLES = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
MODES = torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)


def points(count, generator):
    """Draw points on the ring."""
    modes = MODES[torch.randint(len(MODES), (count,), generator=generator)]
    return modes + 0.05 * torch.randn(count, 2, generator=generator, dtype=torch.float64)


def network(*widths):
    """A perceptron in double precision."""
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    between = [part for layer in layers for part in (layer, nn.SiLU())]
    return nn.Sequential(*between[:-1]).to(torch.float64)


def make(lr=0.01, seed=0):
    """Make networks, optimizers and data, and of one update of both a system."""
    torch.manual_seed(seed)
    generator, critic = network(4, 32, 32, 2), network(2, 32, 32, 1)
    optimizers = {
        "of_generator": torch.optim.Adam(generator.parameters(), lr=lr, betas=(0.5, 0.999)),
        "of_critic": torch.optim.Adam(critic.parameters(), lr=lr, betas=(0.5, 0.999)),
    }
    fixed = torch.Generator().manual_seed(1)
    batches = DataLoader(TensorDataset(points(2048, fixed)), batch_size=128, shuffle=True)
    noise = torch.randn(512, 4, generator=fixed, dtype=torch.float64)
    softplus = nn.functional.softplus

    def step(batch):
        (real,) = batch
        made = generator(torch.randn(len(real), 4, dtype=torch.float64))
        optimizers["of_critic"].zero_grad()
        told = softplus(-critic(real)).mean() + softplus(critic(made.detach())).mean()
        told.backward()
        optimizers["of_critic"].step()
        optimizers["of_generator"].zero_grad()
        fooled = softplus(-critic(made)).mean()
        fooled.backward()
        optimizers["of_generator"].step()
        return {"critic": told, "generator": fooled}

    @torch.no_grad()
    def evaluate():
        made = generator(noise)
        distance, mode = torch.cdist(made, MODES).min(dim=1)
        close = mode[distance < 0.2]
        return {"modes": len(close.unique()), "off": distance.mean(), "output": made}

    return nndyn.Loop(
        step,
        batches,
        model={"generator": generator, "critic": critic},
        stateful=optimizers,
        evaluate=evaluate,
        seed=seed,
    )


def draw(run, growth):
    """Draw three panels over the same steps."""
    figure = Figure(figsize=(4.6, 5.4), dpi=200, layout="constrained")
    separation, losses, modes = figure.subplots(3, 1, sharex=True, height_ratios=(1.6, 1, 1))
    separation.plot(growth["time"], growth["log_separation"], color=SKY, lw=0.6)
    separation.plot(growth["time"], growth["mean_log_separation"], color=BLUE, lw=1.6)
    separation.set(ylabel="ln separation")
    separation.set_title(growth.attrs["verdict"], fontsize=8, loc="left")
    for name, color in (("critic", ORANGE), ("generator", BLUE)):
        losses.plot(run["batch_time"], run[f"batch_{name}"][:, 0], color=color, lw=0.8, label=name)
    losses.set(ylabel="loss")
    losses.legend(fontsize=7, frameon=False)
    modes.plot(run["evaluation_time"], run["metric_modes"][:, 0], color=BLUE, lw=1.2)
    modes.set(ylim=(0, 8.4), ylabel="modes found", xlabel="step")
    for ax in (separation, losses, modes):
        ax.tick_params(labelsize=7)
        ax.yaxis.label.set_size(8)
        ax.xaxis.label.set_size(8)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def main():
    """Record, analyze, draw, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("-o", "--output", default="gan.png")
    options = parser.parse_args()
    torch.set_num_threads(1)  # networks as small as these wait for a second thread, not use it
    system = make(options.lr, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        run = nndyn.record(
            system,
            Path(folder) / "run.nc",
            steps=options.steps,
            epsilon=1e-8,
            rescale=5,
            store="distances",
            seed=options.seed,
        )
        growth = nndyn.lyapunov(run)
        save(draw(run, growth), options.output)
        modes, off = int(run["metric_modes"][-1, 0]), float(run["metric_off"][-1, 0])
        run.close()
    print(f"{modes} of 8 modes found, points are {off:.2f} off")
    print(f"lyapunov_max  {float(growth['lyapunov_max']):.3f} per step")
    print(f"{growth.attrs['verdict']}: {growth.attrs['reason']}")
    print(options.output)


if __name__ == "__main__":
    main()
