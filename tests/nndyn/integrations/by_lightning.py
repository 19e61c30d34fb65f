"""Small trainings by Lightning."""

from __future__ import annotations

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.nndyn.integrations.trainings import StoppedError, groups, warm_up

X = torch.randn(96, 4, generator=torch.Generator().manual_seed(1))
Y = torch.randint(3, (96,), generator=torch.Generator().manual_seed(2))
TEST = DataLoader(TensorDataset(X, Y), 32, generator=torch.Generator())
STEPS = 40


class Batches:
    """Batches in an order of each epoch's own, which can be taken up anywhere."""

    def __init__(self):
        self.epoch = self.at = 0

    def __len__(self):
        return 12

    def __iter__(self):
        order = torch.randperm(96, generator=torch.Generator().manual_seed(self.epoch)).view(12, 8)
        while self.at < len(order):
            self.at += 1
            yield X[order[self.at - 1]], Y[order[self.at - 1]]
        self.epoch, self.at = self.epoch + 1, 0

    def state_dict(self):
        return {"epoch": self.epoch, "at": self.at}

    def load_state_dict(self, state):
        self.epoch, self.at = state["epoch"], state["at"]


class Net(lightning.LightningModule):
    """A network with dropout, whose checkpoints hold the state of torch's randomness."""

    def __init__(self, stop_at=-1):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))
        self.stop_at, self.made, self.random = stop_at, 0, None

    def loss(self, batch):
        if 0 < self.stop_at <= self.global_step:
            raise StoppedError
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def training_step(self, batch, i):
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, i):
        found = (self.net(batch[0]).argmax(1) == batch[1]).float().mean()
        self.log_dict({"test_accuracy": found, "val/accuracy": found})

    def configure_optimizers(self):
        optimizer = groups(self)
        schedule = {"scheduler": warm_up(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint):
        checkpoint["random"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint):
        self.random = checkpoint["random"]

    def on_train_start(self):
        if self.random is not None:
            torch.set_rng_state(self.random)


class Two(Net):
    """The same with an optimizer for each layer, of which the second one sees every other batch."""

    def __init__(self, stop_at=-1):
        super().__init__(stop_at)
        self.automatic_optimization = False

    def configure_optimizers(self):
        first, second = (torch.optim.SGD(self.net[i].parameters(), lr=0.1) for i in (0, 3))
        return [first, second]

    def training_step(self, batch, i):
        loss, optimizers = self.loss(batch), self.optimizers()
        self.zero_grad()
        self.manual_backward(loss)
        optimizers[0].step()
        if i % 2 == 0:
            optimizers[1].step()
        self.log("train/loss", loss)


VARIANTS = {
    "plain": (Net, {"gradient_clip_val": 0.5}),
    "accumulated": (Net, {"accumulate_grad_batches": 3}),
    "bf16": (Net, {"precision": "bf16-mixed", "gradient_clip_val": 0.5}),
    "manual": (Two, {}),
}


def quiet(*callbacks, **options):
    """Return a trainer that says and writes nothing of its own."""
    return lightning.Trainer(
        callbacks=list(callbacks),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def fit(variant="plain", *callbacks, steps=STEPS, stop_at=-1, **given):
    """Train a network of a kind from one seed; return it."""
    kind, options = VARIANTS[variant]
    torch.manual_seed(0)
    model = kind(stop_at)
    trainer = quiet(*callbacks, max_steps=steps, val_check_interval=5, **options)
    trainer.fit(model, Batches(), TEST, **given)
    return model
