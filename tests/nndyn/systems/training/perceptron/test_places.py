"""Bits do not depend on where numbers lie, in which place of a batch, or who else is there."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.systems.training.modules import passes
from nndyn.systems.training.perceptron import task as task_module
from nndyn.systems.training.perceptron.operands import LINE, aligned, operand

#: Widths odd on purpose: nothing fits a register by itself.
PERCEPTRONS = {
    "full batch": ("mlp:4-7-5-3", {"lr": 0.5}),
    "minibatch": ("mlp:4-3-3", {"lr": 0.3, "batch_size": 50, "activation": "gelu"}),
    "momentum": ("mlp:4-7-3", {"lr": 0.1, "momentum": 0.9, "loss": "mse"}),
    "adam": ("mlp:4-5-3", {"lr": 0.01, "optimizer": "adam", "clip_norm": 0.1}),
}
DTYPES = ("float64", "float32")


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Linear(4, 7), nn.LayerNorm(7), nn.GELU(), nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3)
        )

    def forward(self, x):
        return self.layers(x)


def perceptron(name, dtype, **more):
    model, options = PERCEPTRONS[name]
    return nndyn.Training(model, "iris", dtype=dtype, **options, **more)


def module(name, dtype):
    options = {"full batch": {"lr": 0.5}, "minibatch": {"lr": 0.3, "batch_size": 13}}[name]
    return nndyn.Training(Normed(), "iris", samples=37, dtype=dtype, **options)


@pytest.fixture(params=["fused", "products"])
def engine(request, monkeypatch):
    """Have perceptrons computed by a kernel of all layers, and by products of a library."""
    if request.param == "products":
        monkeypatch.setattr(task_module, "is_small", lambda layer, dtype: False)


@pytest.fixture
def products(monkeypatch):
    """Have all perceptrons computed by products of a library."""
    monkeypatch.setattr(task_module, "is_small", lambda layer, dtype: False)


def placed(array, offset):
    """Return a copy that begins `offset` numbers behind a line of the cache."""
    room = np.zeros(array.size + 2 * LINE, array.dtype)
    first = -room.ctypes.data % LINE // array.itemsize + offset
    out = room[first : first + array.size].reshape(array.shape)
    out[...] = array
    return out


def perturbed(system, rows):
    phase = np.repeat(system.initial()[None], rows, axis=0)
    drawn = np.random.default_rng(0).uniform(-1e-3, 1e-3, phase.shape)
    phase[1:] += drawn[1:].astype(phase.dtype)
    return phase


def arrays(block):
    kinds = (block.arrival, block.series, block.evaluations)
    named = [values for kind in kinds for values in kind.values()]
    plain = [block.phase, block.states, block.distance_l1, block.distance_linf, block.gram]
    return [*plain, *named]


def same(found, expected):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_row_of_an_operand_begins_on_a_line(dtype):
    for shape in ((3,), (5, 7), (2, 3, 9), (2, 2, 2, 16)):
        found = operand(*shape, dtype=dtype)
        assert found.shape == shape
        assert not found.any()
        for row in found.reshape(-1, shape[-1]) if len(shape) == 1 else found.flatten(0, -2):
            assert row.data_ptr() % LINE == 0


@pytest.fixture
def watched(monkeypatch):
    """Check every operand of every product that is asked of torch, and count them."""
    count = [0]

    def check(*matrices):
        count[0] += 1
        for matrix in matrices:
            assert aligned(matrix), (matrix.shape, matrix.stride(), matrix.data_ptr() % LINE)
            rows = max(matrix.stride()[-2:]) * matrix.itemsize
            assert rows % LINE == 0 or 1 in matrix.shape[-2:], (matrix.shape, matrix.stride())

    for name in ("mm", "bmm"):
        plain = getattr(torch, name)

        def product(a, b, *, out, plain=plain):
            check(a, b, out)
            return plain(a, b, out=out)

        monkeypatch.setattr(torch, name, product)
    add = torch.Tensor.baddbmm_

    def baddbmm(self, a, b, **options):
        check(self, a, b)
        return add(self, a, b, **options)

    monkeypatch.setattr(torch.Tensor, "baddbmm_", baddbmm)
    return count


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PERCEPTRONS)
@pytest.mark.usefixtures("products")
def test_all_that_enters_a_product_begins_on_a_line(name, dtype, watched):
    system = perceptron(name, dtype)
    others = [perceptron(name, dtype, seed=seed) for seed in (1, 2)]
    phase = perturbed(system, 5)
    together = system.together(others)
    together.advance(np.stack([phase] * 3), 0, 3, [0], evaluate=[0, 2])
    system.advance(phase, 0, 3, [0], evaluate=[0, 2])
    passes = watched[0]
    assert passes > 0
    orbit = system.advance(phase, 0, 3, [0, 1, 2], part=slice(None)).states[:, 0]
    for k in (1, 3):
        vectors = np.eye(system.dimension)[:, :k].copy()
        system.push(phase[0], vectors, 0, 3, [1, 3], orbit)
    system.curvature(phase[0], 0)
    assert watched[0] > passes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("make", "name"),
    [(perceptron, name) for name in PERCEPTRONS] + [(module, "full batch"), (module, "minibatch")],
)
@pytest.mark.usefixtures("engine")
def test_nothing_depends_on_where_a_phase_lies(make, name, dtype):
    system = make(name, dtype)
    phase = perturbed(system, 5)
    block = system.advance(phase, 0, 4, [1, 3], evaluate=[0, 3])
    orbit = system.advance(phase, 0, 3, [0, 1, 2], part=slice(None)).states[:, 0]
    vectors = np.linalg.qr(np.random.default_rng(1).standard_normal((system.dimension, 3)))[0]
    pushed = system.push(phase[0], vectors, 0, 3, [1, 3], orbit)
    curvature = system.curvature(phase[0], 0)
    rows = phase[:3].copy()
    rows[1:] -= rows[0]
    expanded = system.expansion(phase[0]).push(rows, 0, 3)
    for offset in range(1, 8) if make is perceptron else (1, 3):
        moved = placed(phase, offset)
        assert same(arrays(system.advance(moved, 0, 4, [1, 3], evaluate=[0, 3])), arrays(block))
        there = [placed(array, offset) for array in (phase[0], vectors, orbit)]
        assert same(system.push(*there[:2], 0, 3, [1, 3], there[2]), pushed)
        assert system.curvature(there[0], 0) == curvature
        found = system.expansion(there[0]).push(placed(rows, offset), 0, 3)
        assert same(found, expanded)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PERCEPTRONS)
@pytest.mark.usefixtures("engine")
def test_copies_are_equal_in_every_place_of_every_run(name, dtype):
    systems = [perceptron(name, dtype, seed=3) for _ in range(3)]
    for rows in (2, 5, 9):
        phase = np.repeat(systems[0].initial()[None], rows, axis=0)
        blocks = (
            systems[0]
            .together(systems[1:])
            .advance(np.stack([phase] * 3), 0, 5, [4], evaluate=[0, 4])
        )
        (alone,) = systems[0].together([]).advance(phase[None], 0, 5, [4], evaluate=[0, 4])
        for block in blocks:
            assert not block.distance_l1.any()
            assert same(arrays(block), arrays(alone))
            for values in (*block.series.values(), *block.evaluations.values()):
                assert (values == values[:, :1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["full batch", "minibatch"])
def test_copies_of_a_module_are_equal_in_every_place(name, dtype):
    system = module(name, dtype)
    for rows in (2, 5, 9):
        phase = np.repeat(system.initial()[None], rows, axis=0)
        block = system.advance(phase, 0, 5, [4], evaluate=[0, 4])
        assert not block.distance_l1.any()
        for values in (*block.series.values(), *block.evaluations.values()):
            assert (values == values[:, :1]).all()


def test_modules_whose_copies_differ_are_computed_one_by_one(monkeypatch):
    whole = passes.Batched.gradient

    def placed_apart(self, weights, *rest, out, **options):
        found = whole(self, weights, *rest, out=out, **options)
        out[-1] = torch.nextafter(out[-1], out[-1] + 1)
        return found

    phase = perturbed(module("full batch", "float64"), 4)
    plain = module("full batch", "float64").advance(phase, 0, 3, [])
    monkeypatch.setattr(passes.Batched, "gradient", placed_apart)
    system = module("full batch", "float64")
    with pytest.warns(UserWarning, match="Normed is not batched: copies of a replica"):
        block = system.advance(phase, 0, 3, [])
    np.testing.assert_allclose(block.phase, plain.phase, rtol=1e-12)
    copies = system.advance(np.repeat(phase[:1], 4, axis=0), 0, 3, [])
    assert not copies.distance_l1.any()


def test_products_depend_on_addresses_on_this_machine():
    values = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 67)))
    products = []
    for offset in range(8):
        there = torch.from_numpy(placed(values.numpy(), offset))
        products.append(torch.mm(there, there.t()))
    if all(torch.equal(product, products[0]) for product in products):
        pytest.skip("products do not depend on addresses here: addresses alone were checked")
