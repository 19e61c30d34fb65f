r"""A Lightning module: recorded by a callback, then called for perturbed copies and a control.

    pip install 'nndyn[integrations]'
    python examples/lightning_module.py                       twenty seconds
    python examples/lightning_module.py --steps 400 --lr 0.1 --output mine.nc

The module and its trainer are ordinary ones. `Recorder` makes a file of one training, with what the
module logs; `nndyn.twins` calls a function that trains a module, and makes a file of all copies,
from which the growth of deviations is computed. Weights are float64, in which these have room.
"""

import argparse
import logging
import warnings
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import nndyn

try:
    import lightning
except ImportError:
    raise SystemExit("this example needs Lightning: pip install 'nndyn[integrations]'") from None

from nndyn.integrations.lightning import Recorder


class Classifier(lightning.LightningModule):
    """A perceptron with dropout, AdamW and a warm-up."""

    def __init__(self, lr):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, 10))

    def training_step(self, batch, _):
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, _):
        output = self.net(batch[0])
        self.log("test_loss", nn.functional.cross_entropy(output, batch[1]))
        self.log("test_accuracy", (output.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def loaders():
    """Make the loaders of a training; their shuffle begins anew each time."""
    images, labels = load_digits(return_X_y=True)
    digits = TensorDataset(torch.tensor(images / 16, dtype=torch.float64), torch.tensor(labels))
    train, test = random_split(digits, [0.8, 0.2], generator=torch.Generator().manual_seed(0))
    shuffle = torch.Generator().manual_seed(0)
    return DataLoader(train, 64, shuffle=True, generator=shuffle), DataLoader(test, len(test))


def fit(model, steps, *callbacks):
    """Train a module as one does."""
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        gradient_clip_val=1.0,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, *loaders())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("lightning.nc"))
    asked = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    torch.set_num_threads(1)  # networks as small as these wait for a second thread, not use it
    torch.manual_seed(0)
    model = Classifier(asked.lr).double()

    twins = asked.output.with_stem(f"{asked.output.stem}_twins")
    with nndyn.twins(
        lambda copy: fit(copy, asked.steps),
        model,
        twins,
        replicas=asked.replicas,
        overwrite=True,
    ) as run:
        growth = nndyn.lyapunov(run)

    asked.output.unlink(missing_ok=True)
    fit(model, asked.steps, Recorder(asked.output))
    with nndyn.open(asked.output) as run:
        loss, accuracy = run["batch_loss"][:, 0], run["test_accuracy"][:, 0]
        print(f"{asked.output}: {run.sizes['time']} states of {run.sizes['component']} weights")
        print(f"loss {float(loss[0]):.2f} to {float(loss[-1]):.2f}")
        print(f"test accuracy {float(accuracy[-1]):.2f}")
        print(nndyn.exploration(run).attrs["reason"])
    print(f"{twins}: lyapunov_max {float(growth['lyapunov_max']):.3f} per step")
    print(f"{growth.attrs['verdict']}: {growth.attrs['reason']}")


if __name__ == "__main__":
    main()
