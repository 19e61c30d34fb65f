"""Models by the name of what makes them, in a file of the user's."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import UsageError
from nndyn.systems.training.models.build import build

X = np.random.default_rng(0).standard_normal((8, 4))
Y = np.arange(8) % 3

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        return torch.sin(self.linear(x))

    @classmethod
    def wide(cls):
        return nn.Sequential(nn.Linear(4, 9), nn.Softplus(), nn.Linear(9, 3))

def make():
    import helper_of_mine
    return nn.Sequential(nn.Linear(4, helper_of_mine.WIDTH), nn.Tanh(), nn.Linear(5, 3))

ready = Net()
number = 3
def fails():
    raise ValueError("no width given\\nsecond line")
def needs(width):
    return nn.Linear(4, width)
def nothing():
    pass
def _hidden():
    pass
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A working directory with modules of the user's, forgotten behind the test."""
    (tmp_path / "net_of_mine.py").write_text(SOURCE)
    (tmp_path / "helper_of_mine.py").write_text("WIDTH = 5\n")
    (tmp_path / "lacks_of_mine.py").write_text("import no_such_dependency\n")
    (tmp_path / "broken_of_mine.py").write_text("def f(:\n")
    package = tmp_path / "pack_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("from net_of_mine import Net\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if "_of_mine" in name]:
        del sys.modules[name]


def test_classes_functions_and_instances_become_models(mine):
    labels = {}
    for name in ("net_of_mine:Net", "pack_of_mine.deep:Net", "net_of_mine:make"):
        found = build(name, X, Y)
        labels[name] = (found.label, found.engine, found.size)
    assert labels == {
        "net_of_mine:Net": ("net_of_mine:Net", "modules", 15),
        "pack_of_mine.deep:Net": ("pack_of_mine.deep:Net", "modules", 15),
        "net_of_mine:make": ("mlp:4-5-3", "perceptron", 43),
    }
    assert build("net_of_mine:Net.wide", X, Y).size == 75
    ready = build("net_of_mine:ready", X, Y)
    module = sys.modules["net_of_mine"].ready
    assert module.linear.weight.dtype == torch.float32
    expected = torch.nn.utils.parameters_to_vector(module.parameters()).detach().double()
    np.testing.assert_array_equal(ready.initial, expected.numpy())


def test_a_module_may_import_while_it_runs_and_hides_nothing_that_is_installed(mine):
    (mine / "late_of_mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self): super().__init__(4, 3)\n"
        "    def forward(self, x):\n"
        "        from helper_of_mine import WIDTH\n"
        "        return WIDTH * super().forward(x)\n"
    )
    path = list(sys.path)
    assert build("late_of_mine:Net", X, Y).size == 15
    assert sys.path == [*path, str(mine)]
    build("net_of_mine:Net", X, Y)
    assert sys.path == [*path, str(mine)]


def test_the_seed_draws_the_weights_of_a_factory_and_nothing_else(mine):
    state = torch.get_rng_state()
    weights = [build("net_of_mine:Net", X, Y, seed=seed).initial for seed in (0, 1, 0)]
    assert np.array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], weights[1])
    drawn = build("net_of_mine:Net", X, Y, seed=0, init="normal:1")
    assert not np.array_equal(drawn.initial, weights[0])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("absent_of_mine:Net", "there is no module 'absent_of_mine', neither installed nor in"),
        ("pack_of_mine.absent:Net", "there is no module 'pack_of_mine.absent'"),
        (
            "lacks_of_mine:Net",
            "importing lacks_of_mine raised ModuleNotFoundError: .*no_such_dependency",
        ),
        ("broken_of_mine:f", "importing broken_of_mine raised SyntaxError"),
        (
            "net_of_mine:Nett",
            "net_of_mine has no 'Nett'; it has Net, fails, make, needs, nothing, ready$",
        ),
        ("net_of_mine:number", "number is builtins.int; name a class or function"),
        ("net_of_mine:fails", r"calling fails\(\) without arguments raised ValueError: no width"),
        ("net_of_mine:needs", r"calling needs\(\) without arguments raised TypeError: .*'width'"),
        ("net_of_mine:nothing", r"nothing\(\) returned builtins.NoneType; it must return a torch"),
        ("net_of_mine", "'net_of_mine' is not a spec; .*package.module:factory"),
        ("net_of_mine.py:Net", r"names a file; run in the folder \. and .*: net_of_mine:Net$"),
        ("./far/net.py:Net", "names a file; run in the folder ./far/ and name .*: net:Net$"),
    ],
)
def test_what_makes_no_model_is_refused_in_one_line(mine, model, message):
    with pytest.raises(UsageError, match=message) as caught:
        build(model, X, Y)
    assert "\n" not in str(caught.value)


def test_a_function_is_a_factory_as_well():
    def network():
        return nn.Sequential(nn.Linear(4, 3))

    one, same, other = (nndyn.Training(network, "iris", lr=0.1, seed=s) for s in (0, 0, 1))
    assert one.describe() == same.describe()
    assert not np.array_equal(one.initial(), other.initial())
    with pytest.raises(UsageError, match=r"model: list\(\) returned builtins.list; it must return"):
        nndyn.Training(list, "iris", lr=0.1)
