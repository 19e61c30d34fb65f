"""A training loop of your own: warm-up, cosine, clipping and augmentation, on handwritten digits.

    python examples/own_loop.py                       learning rate 0.03, ten seconds
    python examples/own_loop.py --lr 0.1 --steps 440 -o mine.png

What `make` sets up is an ordinary loop of torch. `nndyn.Loop` takes its step, its batches and
whatever the step changes, and nndyn runs it on a reference, on perturbed copies and on a control,
which take turns. Weights are float32, so the perturbation is 1e-4, and copies are pulled back to it
every five steps. The network has no kinks, and no bias before the batch normalisation: AdamW
divides by the size of a gradient, and one that is nothing but rounding would become a step like any
other.
"""

import argparse
import math
import tempfile
from pathlib import Path

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset

import nndyn
from nndyn.figures import save

BLUE, SKY, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#777777"
CLIP = 1.0


class Digits(Dataset):
    """Images of 8 x 8, shifted by up to a pixel each time they are drawn."""

    def __init__(self, images, labels):
        self.images = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
        self.labels = torch.tensor(labels)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        right, down = torch.randint(-1, 2, (2,)).tolist()
        return self.images[i].roll((down, right), (1, 2)), self.labels[i]


def network(seed):
    """A small convolutional network with batch normalisation, and without kinks."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.GELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def make(lr=0.03, seed=0, steps=220):
    """Make model, optimizer, schedule and data, and of one step of their training a system."""
    images, labels = load_digits(return_X_y=True)
    images, test_images, labels, test_labels = train_test_split(
        images, labels, test_size=0.2, random_state=0
    )
    train, test = Digits(images, labels), Digits(test_images, test_labels)
    batches = DataLoader(train, batch_size=64, shuffle=True, drop_last=True)

    model = network(seed)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    warm_up = max(steps // 10, 1)

    def factor(t):
        done = min((t - warm_up) / max(steps - warm_up, 1), 1.0)
        return (t + 1) / warm_up if t < warm_up else 0.5 * (1.0 + math.cos(math.pi * done))

    schedule = LambdaLR(optimizer, factor)

    def step(batch):
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.05)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
        return {"loss": loss, "gradient_norm": norm, "lr": rate}

    @torch.no_grad()
    def evaluate():
        model.eval()
        found = {}
        for prefix, data in (("", train), ("test_", test)):
            output = model(data.images)
            found[f"{prefix}loss"] = nn.functional.cross_entropy(output, data.labels)
            found[f"{prefix}accuracy"] = (output.argmax(1) == data.labels).float().mean()
        return {**found, "output": output}

    return nndyn.Loop(
        step,
        batches,
        model=model,
        stateful={"optimizer": optimizer, "schedule": schedule},
        evaluate=evaluate,
        seed=seed,
    )


def draw(run, growth):
    """Draw three panels over the same steps."""
    figure = Figure(figsize=(4.6, 5.4), dpi=200, layout="constrained")
    separation, loss, accuracy = figure.subplots(3, 1, sharex=True, height_ratios=(1.6, 1, 1))
    separation.plot(growth["time"], growth["log_separation"], color=SKY, lw=0.6)
    separation.plot(growth["time"], growth["mean_log_separation"], color=BLUE, lw=1.6)
    separation.set(ylabel="ln separation")
    separation.set_title(growth.attrs["verdict"], fontsize=8, loc="left")
    loss.plot(run["batch_time"], run["batch_loss"][:, 0], color=GREY, lw=0.8, label="batch")
    loss.plot(run["evaluation_time"], run["loss"][:, 0], color=BLUE, lw=1.4, label="training set")
    loss.set(ylabel="loss")
    loss.legend(fontsize=7, frameon=False)
    accuracy.plot(run["evaluation_time"], run["test_accuracy"][:, 0], color=BLUE, lw=1.4)
    accuracy.set(ylim=(0, 1), ylabel="test accuracy", xlabel="step")
    rate = accuracy.twinx()
    rate.plot(run["batch_time"], run["batch_lr"][:, 0], color=ORANGE, lw=1.0)
    rate.set_ylabel("learning rate", color=ORANGE)
    for ax in (separation, loss, accuracy, rate):
        ax.tick_params(labelsize=7)
        ax.yaxis.label.set_size(8)
        ax.xaxis.label.set_size(8)
        ax.spines["top"].set_visible(False)
    return figure


def main():
    """Record, analyze, draw, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=220)
    parser.add_argument("-o", "--output", default="own_loop.png")
    options = parser.parse_args()
    torch.set_num_threads(1)  # networks as small as these wait for a second thread, not use it
    system = make(options.lr, options.seed, options.steps)
    with tempfile.TemporaryDirectory() as folder:
        run = nndyn.record(
            system,
            Path(folder) / "run.nc",
            steps=options.steps,
            epsilon=1e-4,
            rescale=5,
            store="distances",
            seed=options.seed,
        )
        growth = nndyn.lyapunov(run)
        save(draw(run, growth), options.output)
        accuracy = float(run["test_accuracy"][-1, 0])
        run.close()
    print(f"test accuracy {accuracy:.2f}")
    print(f"lyapunov_max  {float(growth['lyapunov_max']):.3f} per step")
    print(f"{growth.attrs['verdict']}: {growth.attrs['reason']}")
    print(options.output)


if __name__ == "__main__":
    main()
