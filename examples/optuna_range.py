r"""A search by Optuna, in the range of learning rates that `nndyn.find_onset` gives.

    pip install 'nndyn[integrations]'
    python examples/optuna_range.py                           half a minute
    python examples/optuna_range.py --trials 40 --steps 300

How large a learning rate may be is what a search has to guess. Where deviations begin to grow is a
scale for it that a few runs give: the range goes from a thirtieth of the onset to ten times the
onset. Beyond it some trainings diverge, which the recording says, and a trial of that kind is
pruned; of the others the training loss at the end counts.
"""

import argparse
import math
import tempfile
from pathlib import Path

import torch

import nndyn

try:
    import optuna
except ImportError:
    raise SystemExit("this example needs Optuna: pip install 'nndyn[integrations]'") from None

TASK = {"model": "mlp:4-8-3", "data": "iris", "loss": "mse"}


def rates(steps):
    """Find the onset of growth with few runs; return the range of rates to search."""
    found = nndyn.find_onset(
        **TASK,
        lr=(0.05, 20.0),
        steps=steps,
        seeds=3,
        precision=2.0,
        budget=15 * steps,
        progress=False,
    )
    print(found.attrs["reason"])
    onset = float(found["onset"])
    if not math.isfinite(onset):
        raise SystemExit("no onset to take the range from: give it more steps or another range")
    return onset / 30, 10 * onset


def objective(trial, low, high, steps):
    """Train with the numbers of a trial; give the loss at the end."""
    system = nndyn.Training(
        **TASK,
        lr=trial.suggest_float("lr", low, high, log=True),
        momentum=trial.suggest_float("momentum", 0.0, 0.95),
    )
    options = {"steps": steps, "replicas": 2, "progress": False}
    with (
        tempfile.TemporaryDirectory() as folder,
        nndyn.record(system, Path(folder) / "run.nc", **options) as run,
    ):
        growth, loss = nndyn.lyapunov(run), float(run["loss"][-1, 0])
    trial.set_user_attr("verdict", growth.attrs["verdict"])
    if growth.attrs["verdict"] == "diverged":
        raise optuna.TrialPruned(growth.attrs["reason"])
    return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--steps", type=int, default=150)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # networks as small as these wait for a second thread, not use it
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    low, high = rates(asked.steps)
    print(f"learning rates {low:.2g} to {high:.2g}")
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(lambda trial: objective(trial, low, high, asked.steps), n_trials=asked.trials)

    for trial in study.trials:
        value = "pruned" if trial.value is None else f"loss {trial.value:.3g}"
        rate, momentum = trial.params["lr"], trial.params["momentum"]
        print(f"lr {rate:<8.3g} momentum {momentum:.2f}  {trial.user_attrs['verdict']:<11} {value}")
    print(f"best: lr {study.best_params['lr']:.3g}, momentum {study.best_params['momentum']:.2f}")


if __name__ == "__main__":
    main()
