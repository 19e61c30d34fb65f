"""Recorders are there without the libraries of the trainers, and say what they lack."""

import subprocess
import sys

import pytest

from nndyn.errors import InstallationError
from nndyn.integrations.logged import recorded


@pytest.mark.parametrize(
    ("module", "needs"),
    [("lightning", "lightning or pytorch_lightning"), ("transformers", "transformers")],
)
def test_without_its_library_a_recorder_says_what_to_install(module, needs, monkeypatch):
    integration = pytest.importorskip(f"nndyn.integrations.{module}")
    monkeypatch.delitem(vars(integration), "Recorder", raising=False)
    for name in ("lightning.pytorch", "pytorch_lightning", "transformers.trainer_callback"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InstallationError, match=rf"needs {needs}.*'nndyn\[integrations\]'"):
        integration.Recorder  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        integration.Other  # noqa: B018


def test_no_library_is_loaded_before_a_recorder_is_used():
    code = "import sys, nndyn\nnndyn.integrations.lightning, nndyn.integrations.transformers\n"
    code += "print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'nndyn.integrations.transformers'" in done.stdout
    for heavy in ("'torch'", "'lightning", "'pytorch_lightning", "'transformers", "'xarray'"):
        assert heavy not in done.stdout


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("val/loss", "val_loss"),
        ("train/loss", "batch_train_loss"),
        ("time", "batch_time_"),
        ("0/loss", "batch_0_loss"),
        ("test_accuracy", "test_accuracy"),
        ("metric_acc@5", "metric_acc_5"),
        ("précision", "batch_pr_cision"),
    ],
)
def test_names_become_those_of_variables(given, name):
    assert recorded(given) == name
