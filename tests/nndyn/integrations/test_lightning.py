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
from tests.nndyn.integrations.trainings import StoppedError, contents, groups, row, warm_up

WHY = "lightning is not installed: pip install 'nndyn[integrations]'"
lightning = pytest.importorskip("lightning", reason=WHY)
from lightning.pytorch.callbacks import Callback, ModelCheckpoint  # noqa: E402

from nndyn.integrations.lightning import Recorder  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about themselves

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


class Rows(Callback):
    """The weights after every batch."""

    def __init__(self):
        self.rows = []

    def on_train_start(self, trainer, module):
        self.rows.append(row(module))

    def on_train_batch_end(self, trainer, module, *_):
        self.rows.append(row(module))


VARIANTS = {
    "plain": (Net, {"gradient_clip_val": 0.5}),
    "accumulated": (Net, {"accumulate_grad_batches": 3}),
    "bf16": (Net, {"precision": "bf16-mixed", "gradient_clip_val": 0.5}),
    "manual": (Two, {}),
}


def fit(variant="plain", *callbacks, steps=STEPS, stop_at=-1, validate=True, **given):
    """Train a network of a kind from one seed; return it."""
    kind, options = VARIANTS[variant]
    torch.manual_seed(0)
    model = kind(stop_at)
    trainer = lightning.Trainer(
        max_steps=steps,
        callbacks=list(callbacks),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        val_check_interval=5,
        limit_val_batches=3 if validate else 0,
        **options,
    )
    trainer.fit(model, Batches(), TEST, **given)
    return model


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
    with pytest.warns(UserWarning, match="goes on from step 0, whose weights the model has"):
        fit("plain", Recorder(path, resume=True), steps=6)
    assert contents(path).identical(before)


def test_validations_outside_of_a_training_are_none_of_its_business(tmp_path):
    recorder = Recorder(tmp_path / "run.nc")
    trainer = lightning.Trainer(
        max_steps=3,
        callbacks=[recorder],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Net()
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
