"""The page on the file format: its example runs, and its tables are those of the code."""

import re
from pathlib import Path

import numpy as np

import nndyn
from nndyn.recording import GROWING, REQUIRED, VARIABLES

PAGE = (Path(__file__).parents[1] / "docs" / "file_format.md").read_text()


def test_the_example_makes_a_dataset_by_hand_and_analyzes_it(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    verdict, exponent = capsys.readouterr().out.split()
    assert verdict == names["result"].attrs["verdict"]
    derived = nndyn.lyapunov(nndyn.from_array(names["x"], stationary=True))
    assert derived.attrs["verdict"] == verdict
    np.testing.assert_allclose(float(exponent), derived["lyapunov_max"], atol=1e-9)


def test_every_variable_is_on_the_page():
    text = PAGE.replace("`curvature_min`", "`curvature_min` `curvature_min_residual`")
    text += "".join(f"`{name}_residual`" for name in ("sharpness", "preconditioned_sharpness"))
    lacking = [name for name in (*VARIABLES, *GROWING, *REQUIRED) if f"`{name}`" not in text]
    assert lacking == []
