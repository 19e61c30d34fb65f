r"""A Trainer of Hugging Face on a small GPT of random weights: recorded, then perturbed copies.

    pip install 'nndyn[integrations]'
    python examples/hugging_face.py                           half a minute
    python examples/hugging_face.py --steps 300 --lr 0.01 --output mine.nc

Nothing is downloaded. The texts are sums, "12+7=19", read a digit at a time. `Recorder` makes a
file of one training, with what the trainer logs; `nndyn.twins` calls a function that trains a
model, and makes a file of all copies, from which the growth of deviations is computed. A Trainer
draws from its own seed, so that all of them see the same batches and the same dropout. Weights are
float64, in which deviations have room to grow.
"""

import argparse
import tempfile
from pathlib import Path

import torch

import nndyn

try:
    import accelerate  # noqa: F401
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback
except ImportError:
    raise SystemExit("this example needs transformers: pip install 'nndyn[integrations]'") from None

from nndyn.integrations.transformers import Recorder

SIGNS = "0123456789+= "


def sums():
    """Write all sums of two numbers below thirty, as rows of signs."""
    texts = [f"{a}+{b}={a + b}".ljust(9) for a in range(30) for b in range(30)]
    rows = torch.tensor([[SIGNS.index(sign) for sign in text] for text in texts])
    return [{"input_ids": row, "labels": row} for row in rows]


def gpt():
    """Make a GPT of two layers."""
    torch.manual_seed(0)
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 32, "n_positions": 9}
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(SIGNS), **sizes)).double()


def train(model, asked, folder, *callbacks):
    """Train a model as one does."""
    arguments = TrainingArguments(
        str(folder),
        max_steps=asked.steps,
        learning_rate=asked.lr,
        warmup_steps=10,
        weight_decay=0.1,
        per_device_train_batch_size=32,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=20,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    data = sums()
    trainer = Trainer(model, arguments, train_dataset=data[::2], eval_dataset=data[1::2])
    trainer.remove_callback(PrinterCallback)
    for one in callbacks:
        trainer.add_callback(one)
    trainer.train()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("gpt.nc"))
    asked = parser.parse_args()
    torch.set_num_threads(1)  # networks as small as these wait for a second thread, not use it
    model = gpt()

    twins = asked.output.with_stem(f"{asked.output.stem}_twins")
    with tempfile.TemporaryDirectory() as folder:
        with nndyn.twins(
            lambda copy: train(copy, asked, folder),
            model,
            twins,
            replicas=asked.replicas,
            overwrite=True,
        ) as run:
            growth = nndyn.lyapunov(run)
        asked.output.unlink(missing_ok=True)
        train(model, asked, folder, Recorder(asked.output))

    with nndyn.open(asked.output) as run:
        loss, held_out = run["batch_loss"][:, 0], run["metric_eval_loss"][:, 0]
        print(f"{asked.output}: {run.sizes['time']} states of {run.sizes['component']} weights")
        print(f"loss {float(loss[0]):.2f} to {float(loss[-1]):.2f}")
        print(f"on sums held out {float(held_out[-1]):.2f}")
        print(nndyn.exploration(run).attrs["reason"])
    print(f"{twins}: lyapunov_max {float(growth['lyapunov_max']):.3f} per step")
    print(f"{growth.attrs['verdict']}: {growth.attrs['reason']}")


if __name__ == "__main__":
    main()
