"""Checkpoints that trainers really wrote, as recordings."""

from importlib import import_module

import numpy as np
import pytest

import nndyn
from nndyn.errors import DataError

WHY = "the library is not installed: pip install 'nndyn[integrations]'"
pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about themselves


def check_same(path, recorded):
    """Check that a recording of checkpoints has the states of that made in the training."""
    with nndyn.open(path) as run, nndyn.open(recorded) as other:
        names = set(other["parameter_name"].values)
        assert names <= set(run["parameter_name"].values)
        for name in names:
            found, expected = run.nndyn.layer(name), other.nndyn.layer(name)
            expected = expected.sel(time=found["time"])
            np.testing.assert_array_equal(found[:, 0], expected[:, 0])
            np.testing.assert_array_equal(found[:, 1], expected[:, 0])


def test_a_folder_of_a_trainer_of_transformers(tmp_path):
    pytest.importorskip("transformers", reason=WHY)
    pytest.importorskip("accelerate", reason=WHY)
    module = import_module("tests.nndyn.integrations.by_transformers")
    recorder = nndyn.integrations.transformers.Recorder(tmp_path / "watched.nc")
    folder = tmp_path / "runs"
    module.train(folder, "plain", recorder, steps=12, save_strategy="steps", save_steps=4)
    assert sorted(p.name for p in folder.iterdir()) == [f"checkpoint-{n}" for n in (12, 4, 8)]
    run = nndyn.from_checkpoints(folder, [folder], tmp_path / "run.nc", control=folder)
    assert run["time"].values.tolist() == [4, 8, 12]
    run.close()
    check_same(tmp_path / "run.nc", tmp_path / "watched.nc")


def test_files_of_lightning(tmp_path):
    pytest.importorskip("lightning", reason=WHY)
    module = import_module("tests.nndyn.integrations.by_lightning")
    folder = tmp_path / "runs"
    saving = module.ModelCheckpoint(folder, every_n_train_steps=4, save_top_k=-1)
    module.fit(
        "plain", nndyn.integrations.lightning.Recorder(tmp_path / "watched.nc"), saving, steps=12
    )
    assert len(list(folder.glob("*-step=*.ckpt"))) == 3
    with pytest.raises(DataError, match=r"say which one is the state with `key`.*'state_dict'"):
        nndyn.from_checkpoints(folder, [folder], tmp_path / "run.nc", control=folder)
    options = {"control": folder, "key": "state_dict"}
    run = nndyn.from_checkpoints(folder, [folder], tmp_path / "run.nc", **options)
    assert run["time"].values.tolist() == [4, 8, 12]
    run.close()
    check_same(tmp_path / "run.nc", tmp_path / "watched.nc")


def test_a_file_of_lightning_with_an_object_in_it_is_refused_with_the_cure(tmp_path):
    pytest.importorskip("lightning", reason=WHY)
    module = import_module("tests.nndyn.integrations.by_lightning")

    class Configured(module.Net):
        def __init__(self, stop_at=-1, folder=tmp_path):
            super().__init__(stop_at)
            self.save_hyperparameters()

    module.VARIANTS["configured"] = Configured, {}
    folder = tmp_path / "runs"
    saving = module.ModelCheckpoint(folder, every_n_train_steps=2, save_top_k=-1)
    module.fit("configured", saving, steps=4)
    del module.VARIANTS["configured"]
    options = {"control": folder, "key": "state_dict"}
    with pytest.raises(DataError, match=r"holds more than tensors.*save the state alone"):
        nndyn.from_checkpoints(folder, [folder], tmp_path / "run.nc", **options)

    torch = module.torch
    for path in folder.iterdir():  # as the message says
        torch.save(torch.load(path, weights_only=False)["state_dict"], path.with_suffix(".pt"))
        path.unlink()
    run = nndyn.from_checkpoints(folder, [folder], tmp_path / "run.nc", control=folder)
    assert run["time"].values.tolist() == [2, 4]
    run.close()
