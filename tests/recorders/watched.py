"""A small training loop of a user's own, watched or not."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
Y = torch.randint(3, (64,), generator=torch.Generator().manual_seed(2))


class Trained:
    """A network with dropout, its optimizer with a schedule, and its weights after every step."""

    def __init__(self, seed=0, **options):
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), **{"lr": 0.02, **options})
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda t: 1 / (1 + t / 9))
        self.made = 0
        self.states = [self.row()]

    def row(self):
        return np.concatenate([p.detach().numpy().ravel() for p in self.model.parameters()])

    def step(self):
        batch = torch.randint(64, (16,))
        loss = nn.functional.cross_entropy(self.model(X[batch]), Y[batch])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.made += 1
        self.states.append(self.row())
        return loss

    def accuracy(self):
        self.model.eval()
        with torch.no_grad():
            found = (self.model(X).argmax(1) == Y).float().mean()
        self.model.train()
        return found

    def run(self, steps, watching=None):
        """Take steps; log the loss of each, and the accuracy after every seventh."""
        for _ in range(steps):
            loss = self.step()
            if watching is not None:
                watching.log(loss=loss)
                if self.made % 7 == 0:
                    watching.log(test_accuracy=self.accuracy(), f1=0.5)
        return self

    def state_dict(self):
        return {
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "made": self.made,
        }

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.made = state["made"]
