"""What tests on a GPU run on: ``NNDYN_GPU=cpu`` tries their lines where there is none."""

import os

import pytest
import torch

GPU = os.environ.get("NNDYN_GPU", "cuda")
NEEDED = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPU != "cpu" and not torch.cuda.is_available(), reason="needs a GPU"),
]
