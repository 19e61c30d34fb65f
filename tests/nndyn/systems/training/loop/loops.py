"""Training loops of many kinds, each a step, its batches and what it changes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers
from torch.optim import swa_utils
from torch.utils.data import DataLoader, Dataset, TensorDataset

cross_entropy = nn.functional.cross_entropy


@dataclass
class Made:
    """What a loop is made of."""

    step: Any
    batches: Any
    model: Any
    stateful: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)

    def system(self, **options: Any) -> Any:
        import nndyn

        given = {"model": self.model, "stateful": self.stateful, **self.more, **options}
        return nndyn.Loop(self.step, self.batches, **given)

    def weights(self) -> np.ndarray:
        models = self.model.values() if isinstance(self.model, dict) else [self.model]
        unique = {id(p): p for m in models for p in m.parameters() if p.requires_grad}
        return np.concatenate(
            [p.detach().to(torch.float64).numpy().ravel() for p in unique.values()]
        )


def data(dtype=torch.float32, samples=48):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(samples, 6, generator=generator, dtype=dtype)
    return x, (x[:, 0] * x[:, 1] > 0).long()


def loader(batch_size=12, dtype=torch.float32, **options):
    return DataLoader(TensorDataset(*data(dtype)), batch_size, shuffle=True, **options)


def network(*extra, dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), *extra, nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def ordinary(model, optimizer, batches=None, after=(), **stateful):
    def step(batch):
        x, y = batch
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        for scheduler in after:
            scheduler.step()
        return loss

    kept = {"optimizer": optimizer, **stateful}
    return Made(step, loader() if batches is None else batches, model, kept)


def sgd():
    model = network()
    return ordinary(model, torch.optim.SGD(model.parameters(), lr=0.3))


def dampening():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, dampening=0.5)
    return ordinary(model, optimizer)


def adamw_groups():
    model = network()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "lr": 0.003}]
    return ordinary(model, torch.optim.AdamW(groups, lr=0.01))


def bf16():
    model = network(dtype=torch.bfloat16)
    batches = [(x.to(torch.bfloat16), y) for x, y in loader()]
    return ordinary(model, torch.optim.AdamW(model.parameters(), lr=0.01), batches)


def float64():
    model = network(dtype=torch.float64)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    return ordinary(model, optimizer, loader(dtype=torch.float64))


def batch_norm():
    model = network(nn.BatchNorm1d(8))
    return ordinary(model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


class Tied(nn.Module):
    """One matrix, used twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))


def tied():
    model = Tied()
    return ordinary(model, torch.optim.AdamW(model.parameters(), lr=0.01))


def scaler(enabled=False):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaled = torch.amp.GradScaler("cpu", enabled=enabled, init_scale=64.0, growth_interval=7)

    def step(batch):
        optimizer.zero_grad()
        loss = cross_entropy(model(batch[0]), batch[1])
        scaled.scale(loss).backward()
        scaled.step(optimizer)
        scaled.update()
        return loss.item()

    return Made(step, loader(), model, {"optimizer": optimizer, "scaler": scaled})


def enabled_scaler():
    return scaler(enabled=True)


def scheduled(make, optimizer=torch.optim.SGD, **options):
    model = network()
    rule = optimizer(model.parameters(), lr=0.1, **options)
    scheduler = make(rule)
    return ordinary(model, rule, after=(scheduler,), scheduler=scheduler)


def multi_step():
    return scheduled(lambda rule: schedulers.MultiStepLR(rule, [5, 11, 11, 30], gamma=0.5))


def one_cycle():
    options = {"momentum": 0.9}
    return scheduled(lambda rule: schedulers.OneCycleLR(rule, 0.3, total_steps=60), **options)


def sequential():
    def make(rule):
        warm_up = schedulers.LinearLR(rule, 0.1, total_iters=10)
        down = schedulers.CosineAnnealingLR(rule, 40)
        return schedulers.SequentialLR(rule, [warm_up, down], milestones=[10])

    return scheduled(make, torch.optim.AdamW)


def lambda_lr():
    return scheduled(lambda rule: schedulers.LambdaLR(rule, lambda t: 0.95**t))


def plateau():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, patience=2, factor=0.5)

    def step(batch):
        optimizer.zero_grad()
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        scheduler.step(loss.item())
        return {"loss": loss, "lr": optimizer.param_groups[0]["lr"]}

    return Made(step, loader(), model, {"optimizer": optimizer, "scheduler": scheduler})


def averaged():
    model = network(nn.BatchNorm1d(8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mean = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))

    def step(batch):
        optimizer.zero_grad()
        # the average teaches: it has to be right
        loss = cross_entropy(model(batch[0]), batch[1])
        with torch.no_grad():
            taught = mean(batch[0])
        (loss + 0.1 * (model(batch[0]) - taught).square().mean()).backward()
        optimizer.step()
        mean.update_parameters(model)
        return loss

    return Made(step, loader(), model, {"optimizer": optimizer, "average": mean})


def accumulation():
    """An update every fourth batch, with the gradients of all four."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def step(batch, t):
        loss = cross_entropy(model(batch[0]), batch[1])
        (loss / 4).backward()
        if t % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Made(step, loader(), model, {"optimizer": optimizer}, {})


def dropout():
    model = network(nn.Dropout(0.3))
    return ordinary(model, torch.optim.SGD(model.parameters(), lr=0.3))


class Augmented(Dataset):
    """Samples with noise from every library."""

    def __init__(self):
        self.x, self.y = data()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        import random

        noise = torch.randn(6) * 0.1 + np.random.rand() * 0.1 + random.random() * 0.1  # noqa: NPY002
        return self.x[i] + noise, self.y[i]


def augmentation(workers=2):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    batches = DataLoader(Augmented(), 12, shuffle=True, num_workers=workers, drop_last=True)
    return ordinary(model, optimizer, batches)


class Labelled(Dataset):
    """Samples as dicts."""

    def __len__(self):
        return 48

    def __getitem__(self, i):
        x, y = data()
        return {"x": x[i], "labels": y[i]}


def dict_batch():
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def step(batch):
        optimizer.zero_grad()
        batch["x"] -= batch["x"].mean()  # in place, as some do
        loss = cross_entropy(model(batch["x"]), batch.pop("labels"))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return {"loss": loss}

    return Made(step, DataLoader(Labelled(), 12, shuffle=True), model, {"optimizer": optimizer})


def gan():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 6))
    critic = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    of_generator = torch.optim.Adam(generator.parameters(), lr=0.01, betas=(0.5, 0.999))
    of_critic = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()

    def step(batch):
        x = batch[0]
        made = generator(torch.randn(len(x), 3))
        of_critic.zero_grad()
        real, false = critic(x), critic(made.detach())
        loss = criterion(real, torch.ones_like(real)) + criterion(false, torch.zeros_like(false))
        loss.backward()
        of_critic.step()
        of_generator.zero_grad()
        fooled = critic(made)
        other = criterion(fooled, torch.ones_like(fooled))
        other.backward()
        of_generator.step()
        return {"critic": loss, "generator": other}

    stateful = {"of_generator": of_generator, "of_critic": of_critic}
    return Made(step, loader(), {"generator": generator, "critic": critic}, stateful)


class Autoencoder(nn.Module):
    """A variational one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(2, 6)

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        spread = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()
        return (self.decoder(z) - x).square().mean() + spread


def vae():
    model = Autoencoder()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, centered=True)

    def step(batch):
        optimizer.zero_grad()
        loss = model(batch[0])
        loss.backward()
        optimizer.step()
        return loss

    return Made(step, loader(), model, {"optimizer": optimizer})


class Average:
    """An average of weights as people write it."""

    def __init__(self, model):
        self.decay, self.updates = 0.9, 0
        self.shadow = {n: p.detach().clone() for n, p in model.named_parameters()}

    def update(self, model):
        self.updates += 1
        for name, p in model.named_parameters():
            self.shadow[name] = self.decay * self.shadow[name] + (1 - self.decay) * p.detach()

    def state_dict(self):
        return {"decay": self.decay, "updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state):
        self.decay, self.updates = state["decay"], state["updates"]
        self.shadow = state["shadow"]


def own_average():
    model = network()
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)
    average = Average(model)

    def step(batch):
        optimizer.zero_grad()
        pull = sum((p - average.shadow[n]).square().sum() for n, p in model.named_parameters())
        loss = cross_entropy(model(batch[0]), batch[1]) + 0.01 * pull
        loss.backward()
        optimizer.step()
        average.update(model)
        return loss

    return Made(step, loader(), model, {"optimizer": optimizer, "average": average})


def frozen():
    """A backbone that does not train, and zeroed gradients that stay."""
    model = network()
    model[0].requires_grad_(False)
    optimizer = torch.optim.Adagrad(model[-1].parameters(), lr=0.1)

    def step(batch):
        optimizer.zero_grad(set_to_none=False)
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()

    return Made(step, loader(), model, {"optimizer": optimizer})


class Trainer:
    """A loop as an object."""

    def __init__(self):
        self.model = network()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.1, nesterov=True, momentum=0.9
        )

    def step(self, batch):
        self.optimizer.zero_grad()
        loss = cross_entropy(self.model(batch[0]), batch[1])
        loss.backward()
        self.optimizer.step()
        return loss


def bound_method():
    trainer = Trainer()
    return Made(trainer.step, loader(), trainer.model, {"optimizer": trainer.optimizer})


ALL = {
    made.__name__: made
    for made in (
        sgd,
        dampening,
        adamw_groups,
        bf16,
        float64,
        batch_norm,
        tied,
        scaler,
        enabled_scaler,
        multi_step,
        one_cycle,
        sequential,
        lambda_lr,
        plateau,
        averaged,
        accumulation,
        dropout,
        augmentation,
        dict_batch,
        gan,
        vae,
        own_average,
        frozen,
        bound_method,
    )
}
warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*", category=UserWarning)
