"""Trainings by Lightning are recorded by one callback."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from tests.nndyn.integrations.trainings import StoppedError, contents, row

pytest.importorskip(
    "lightning", reason="lightning is not installed: pip install 'nndyn[integrations]'"
)
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from nndyn.integrations.lightning import Recorder
from tests.nndyn.integrations.by_lightning import (
    TEST,
    VARIANTS,
    Batches,
    Net,
    X,
    Y,
    fit,
    quiet,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about themselves


class Rows(Callback):
    """The weights after every batch."""

    def __init__(self):
        self.rows = []

    def on_train_start(self, trainer, module):
        self.rows.append(row(module))

    def on_train_batch_end(self, trainer, module, *_):
        self.rows.append(row(module))


def recorded(path, *, means):
    """Return what is recorded, with the means over epochs or without them."""
    return contents(path).drop_vars([] if means else ["metric_train_loss"], errors="ignore")


@pytest.mark.parametrize(
    ("variant", "every"),
    [("plain", 1), ("plain", 3), ("accumulated", 1), ("bf16", 1), ("manual", 2)],
)
def test_a_recorded_training_has_the_bits_of_an_untouched_one(tmp_path, variant, every):
    rows = Rows()
    plain = fit(variant, rows)
    recorded = fit(variant, Recorder(tmp_path / "run.nc", every=every))
    np.testing.assert_array_equal(row(recorded), row(plain))
    # batches with which the last optimizer makes a step
    steps = rows.rows[:1] + rows.rows[1::2] if variant == "manual" else rows.rows
    steps = steps[:: 3 if variant == "accumulated" else 1]
    with nndyn.open(tmp_path / "run.nc") as run:
        assert run.attrs["status"] == "complete"
        times = run["time"].values.astype(int)
        assert times[-1] > 12
        assert times[-1] // every == (len(steps) - 1) // every
        np.testing.assert_array_equal(run["state"].values[:, 0], np.array(steps)[times])
    assert verify(tmp_path / "run.nc").problems == ()


def test_what_is_logged_stands_at_the_steps_it_is_of(tmp_path):
    class Told(Net):
        losses, means = [], []

        def training_step(self, batch, i):
            loss = super().training_step(batch, i)
            self.losses.append(float(loss))
            if i % 2:
                self.log("odd", float(i))  # and not at every batch
            self.log("time", 1.0)
            return loss

        def validation_step(self, batch, i):
            self.log_dict({"test_accuracy": 0.25, "val/accuracy": 0.5, "training_loss": 2.0})

    VARIANTS["told"] = Told, {"accumulate_grad_batches": 3}
    fit("told", Recorder(tmp_path / "run.nc", every=4), steps=12)
    del VARIANTS["told"]
    with nndyn.open(tmp_path / "run.nc") as run:
        assert run["batch_time"].values.tolist() == list(range(12))
        np.testing.assert_allclose(run["batch_train_loss"][:, 0], Told.losses[2::3], rtol=1e-6)
        expected = [np.nan, 5, np.nan, 11] * 3
        np.testing.assert_array_equal(run["batch_odd"][:, 0], expected)
        np.testing.assert_array_equal(run["batch_time_"][:, 0], [1.0] * 12)
        # validated after every fifth batch; an epoch has four steps
        np.testing.assert_array_equal(run["evaluation_time"], [1, 3, 4, 5, 7, 8, 9, 11, 12])
        means = run["metric_train_loss"].dropna("evaluation_time")
        assert means["evaluation_time"].values.tolist() == [4, 8, 12]
        expected = np.mean(np.reshape(Told.losses, (3, 12)), axis=1)
        np.testing.assert_allclose(means[:, 0], expected, rtol=1e-6)
        for name, value in (
            ("test_accuracy", 0.25),
            ("metric_val_accuracy", 0.5),
            ("metric_training_loss", 2.0),
        ):
            found = run[name].dropna("evaluation_time")
            np.testing.assert_array_equal(found["evaluation_time"], [1, 3, 5, 7, 9, 11])
            assert set(found.values.ravel()) == {value}
        assert not {"batch_train_loss_step", "metric_train_loss_epoch"} & set(run)


@pytest.mark.parametrize(("variant", "at"), [*((one, 6) for one in VARIANTS), ("plain", 12)])
def test_stopped_and_resumed_it_gives_the_recording_of_an_unbroken_one(tmp_path, variant, at):
    path = tmp_path / "run.nc"
    fit(variant, Recorder(tmp_path / "whole.nc", every=4), steps=24)
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=6, save_top_k=-1)
    with pytest.raises(StoppedError):
        fit(variant, Recorder(path, every=4), saving, steps=24, stop_at=16)
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "recording"
    fit(variant, Recorder(path, every=4), steps=24, ckpt_path=tmp_path / f"step={at}.ckpt")
    whole = at == 12  # of an epoch taken up in the middle Lightning averages what is left
    assert recorded(path, means=whole).identical(recorded(tmp_path / "whole.nc", means=whole))
    assert verify(path).problems == ()


def test_a_checkpoint_of_the_end_is_gone_on_with(tmp_path):
    path = tmp_path / "run.nc"
    fit("plain", Recorder(tmp_path / "whole.nc"), steps=24)
    fit("plain", Recorder(path), ModelCheckpoint(tmp_path, "end", save_last=True), steps=12)
    fit("plain", Recorder(path), steps=24, ckpt_path=tmp_path / "last.ckpt")
    assert recorded(path, means=False).identical(recorded(tmp_path / "whole.nc", means=False))


def test_a_checkpoint_goes_on_with_its_own_file_alone(tmp_path):
    first, second, other = (tmp_path / name for name in ("first.nc", "second.nc", "other.nc"))
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=6, save_top_k=-1)
    fit("plain", Recorder(first), Recorder(second, every=3), saving, steps=12)
    checkpoint = tmp_path / "step=6.ckpt"
    fit("plain", Recorder(second, every=3), Recorder(other), steps=9, ckpt_path=checkpoint)
    for path, times in ((first, range(13)), (second, (0, 3, 6, 9)), (other, range(4))):
        assert contents(path)["time"].values.tolist() == list(times)
    first.unlink()
    with pytest.raises(UsageError, match=r"first.nc is not there, and the trainer's checkpoint"):
        fit("plain", Recorder(first), steps=9, ckpt_path=checkpoint)
    with pytest.raises(UsageError, match="every is 3 in the file, 1 here"):
        fit("plain", Recorder(second), steps=9, ckpt_path=checkpoint)
    assert not first.exists()
    assert contents(second)["time"].values.tolist() == [0, 3, 6, 9]


def test_a_training_from_the_start_leaves_a_file_alone_or_is_let_go_on(tmp_path):
    path = tmp_path / "run.nc"
    fit("plain", Recorder(path), steps=6)
    with pytest.raises(UsageError, match=r"run.nc exists; .*resume=True"):
        fit("plain", Recorder(path), steps=6)
    before = contents(path)
    fit("plain", Recorder(path, resume=True), steps=6)
    assert contents(path).identical(before)


def test_twins_have_a_control_of_exactly_zero(tmp_path):
    """With dropout, a shuffle, AdamW with groups, warm-up and clipping."""

    def train(model):
        trainer = quiet(max_steps=200, gradient_clip_val=0.5)
        generator = torch.Generator().manual_seed(0)
        trainer.fit(model, DataLoader(TensorDataset(X, Y), 8, shuffle=True, generator=generator))

    torch.manual_seed(0)
    run = nndyn.twins(train, Net(), tmp_path / "run.nc", replicas=1, epsilon=1e-4)
    assert run["time"].values.tolist() == list(range(201))
    assert run["role"].values.tolist() == [0, 1, 2]
    assert not run["distance_l2"].values[:, 2].any()
    assert run["distance_l2"].values[:, 1].all()
    run.close()


def test_validations_outside_of_a_training_are_none_of_its_business(tmp_path):
    trainer, model = quiet(Recorder(tmp_path / "run.nc"), max_steps=3), Net()
    trainer.validate(model, TEST, verbose=False)
    trainer.fit(model, Batches(), TEST)
    before = contents(tmp_path / "run.nc")
    trainer.validate(model, TEST, verbose=False)
    assert contents(tmp_path / "run.nc").identical(before)


def test_it_is_a_callback_that_can_be_copied(tmp_path):
    recorder = Recorder(tmp_path / "run.nc", every=2)
    for other in (copy.deepcopy(recorder), pickle.loads(pickle.dumps(recorder))):
        assert type(other) is Recorder
        assert other.state_key == recorder.state_key
    assert "nndyn.watch" in Recorder.__doc__
    assert nndyn.integrations.lightning.Recorder is Recorder


def test_the_lightning_of_the_other_name_takes_it_too(tmp_path):
    other = pytest.importorskip("pytorch_lightning", reason="pytorch_lightning is not installed")
    trainer = other.Trainer(
        max_steps=3,
        callbacks=[Recorder(tmp_path / "run.nc")],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )

    class Other(other.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(4, 3)

        def training_step(self, batch, i):
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer.fit(Other(), Batches())
    assert contents(tmp_path / "run.nc")["time"].values.tolist() == [0, 1, 2, 3]
