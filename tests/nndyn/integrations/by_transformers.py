"""Small trainings by a Trainer of transformers."""

from __future__ import annotations

import torch
import transformers

from tests.nndyn.integrations.trainings import StoppedError, groups, row, warm_up

STEPS = 24
TOKENS = torch.randint(0, 50, (96, 12), generator=torch.Generator().manual_seed(1))
TEXTS = [{"input_ids": tokens, "labels": tokens} for tokens in TOKENS]
VARIANTS = {
    "plain": {},
    "accumulated": {"gradient_accumulation_steps": 3},
    "bf16": {"bf16": True},
    "groups": {"max_grad_norm": 0.5},
}


def network():
    """Make a small GPT of random weights, with dropout."""
    torch.manual_seed(0)
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 12, "vocab_size": 50}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes))


class Rows(transformers.TrainerCallback):
    """The weights after every step; an end before its time."""

    def __init__(self, stop_at=-1):
        self.rows, self.stop_at = [], stop_at

    def on_train_begin(self, args, state, control, model, **of):
        self.rows.append(row(model))

    def on_step_end(self, args, state, control, model, **of):
        self.rows.append(row(model))
        if state.global_step == self.stop_at:
            raise StoppedError


def train(folder, variant="plain", *callbacks, steps=STEPS, start=None, **options):
    """Train the network; return it."""
    own = None
    model = network()
    if variant == "groups":
        optimizer = groups(model)
        own = optimizer, warm_up(optimizer)
    given = transformers.TrainingArguments(
        str(folder),
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        max_steps=steps,
        learning_rate=0.01,
        warmup_steps=5,
        per_device_train_batch_size=8,
        logging_steps=1,
        seed=3,
        **{"save_strategy": "no", **VARIANTS[variant], **options},
    )
    trainer = transformers.Trainer(
        model,
        given,
        train_dataset=TEXTS,
        eval_dataset=TEXTS[:16],
        callbacks=list(callbacks),
        optimizers=own or (None, None),
    )
    trainer.train(resume_from_checkpoint=start)
    return model
