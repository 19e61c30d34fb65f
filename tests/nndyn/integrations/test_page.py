"""The page on trainers of other libraries does what it says."""

import logging

import pytest
import torch

import nndyn
from tests.readme import README, blocks

WHY = "lightning, transformers or accelerate is not installed: pip install 'nndyn[integrations]'"
for name in ("lightning", "transformers", "accelerate"):
    pytest.importorskip(name, reason=WHY)

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about themselves


def test_every_block_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    text = (README.parent / "docs" / "integrations.md").read_text(encoding="utf-8")
    names = {}
    torch.manual_seed(0)
    for block in blocks(text):
        if block.language == "python":
            code = compile("\n" * (block.line - 1) + block.text, "integrations.md", "exec")
            exec(code, names)
    names["run"].close()
    for path, last in {"run.nc": 90, "gpt.nc": 60, "twins.nc": 60, "gpt_twins.nc": 40}.items():
        with nndyn.open(tmp_path / path) as run:
            assert run.attrs["status"] == "complete"
            assert run["time"].values[-1] == last
            if run.sizes["replica"] > 1:
                assert not run["distance_l2"].values[:, -1].any()
    with nndyn.open(tmp_path / "checkpoints.nc") as run:
        assert run["time"].values.tolist() == [20, 40, 60]
