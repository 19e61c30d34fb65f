"""Growth by parameter: rates and shares that are known, and what there is none of."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.results import to_dict


class Quadratics(nn.Module):
    """Two parameters whose losses have nothing in common: h |w|² / 2 of each."""

    def __init__(self, first, second):
        super().__init__()
        self.first = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
        self.second = nn.Parameter(torch.tensor([0.7, 1.1], dtype=torch.float64))
        self.h = (first, second)

    def forward(self, x):
        loss = 0.5 * self.h[0] * self.first.square().sum()
        loss = loss + 0.5 * self.h[1] * self.second.square().sum()
        return loss + 0.0 * x


def quadratics(path, **options):
    x = np.zeros((4, 1))
    system = nndyn.Training(
        Quadratics(2.2, 2.05), (x, x), loss=lambda output, target: output.mean(), lr=1.0
    )
    return nndyn.record(system, path, steps=30, replicas=2, **options)


def drawn(parts, **more):
    """Return a recording whose parameters have given distances (T,) of one replica."""
    T = len(next(iter(parts.values())))
    states = np.zeros((T, 2, 2 * len(parts)))
    states[:, :, 1::2] = np.sin(np.arange(T))[:, None, None]  # the reference moves
    for i, distance in enumerate(parts.values()):
        states[:, 1, 2 * i] = distance
    return nndyn.from_array(states, names=dict.fromkeys(parts, 2), **more)


@pytest.mark.parametrize("options", [{}, {"rescale": 6}])
def test_uncoupled_parameters_have_rates_of_their_own(tmp_path, options):
    run = quadratics(tmp_path / "q.nc", epsilon=1e-4, perturb="all", **options)
    found = nndyn.lyapunov(run, parameter="all", window=(1, 30))
    assert found["parameter"].values.tolist() == ["first", "second"]
    rates = np.log([1.2, 1.05])
    np.testing.assert_allclose(found["parameter_exponent"], rates, atol=1e-9)
    np.testing.assert_allclose(found["parameter_growth"], 29 * rates, atol=1e-8)
    np.testing.assert_allclose(found["parameter_local_exponent"][1:], [rates] * 30, atol=1e-9)
    distance = run["distance_l2_parameter"].values[:, 1:3] ** 2
    share = (distance / distance.sum(axis=2, keepdims=True)).mean(axis=1)
    np.testing.assert_allclose(found["parameter_share"], share, rtol=1e-12)
    np.testing.assert_allclose(found["parameter_share_start"], share[1], rtol=1e-12)
    np.testing.assert_allclose(found["parameter_share_end"], share[30], rtol=1e-12)
    np.testing.assert_allclose(found["parameter_share_mean"], share[1:].mean(axis=0), rtol=1e-12)
    state = run["state"].values
    lengths = [np.linalg.norm(state[30, 0, part]) for part in (slice(3), slice(3, 5))]
    relative = np.sqrt(distance[30]) / lengths
    np.testing.assert_allclose(
        found["parameter_relative"], np.exp(np.log(relative).mean(axis=0)), rtol=1e-12
    )


def test_one_parameter_by_name_has_the_numbers_that_it_has_among_all(tmp_path):
    run = quadratics(tmp_path / "q.nc", epsilon=1e-4, perturb="all", store="distances")
    every = nndyn.lyapunov(run, parameter="all", window=(1, 30))
    one = nndyn.lyapunov(run, parameter="second", window=(1, 30))
    assert one["parameter"].values.tolist() == ["second"]
    for name in ("parameter_exponent", "parameter_share_mean", "parameter_growth"):
        assert float(one[name][0]) == pytest.approx(float(every[name][1]), rel=1e-12)
    told = to_dict(one)["results"]
    assert told["parameter_share_mean"]["parameter"] == ["second"]
    assert told["parameter_relative"]["value"] is None
    assert told["parameter_relative"]["note"] == "the weights are not stored"
    assert float(one["lyapunov_max"]) == float(nndyn.lyapunov(run, window=(1, 30))["lyapunov_max"])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of torch's own
def test_aligned_rates_of_a_linear_network_agree_and_shares_are_those_of_a_plain_loop(tmp_path):
    """At a minimum deviations along the steepest direction grow by 1 - lr h in every parameter."""
    x = np.eye(2)
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0.5], [-0.25, 1.0]]))
        net[1].weight.copy_(torch.tensor([[1.0, 2.0]]))
    y = net(torch.from_numpy(x)).detach()
    start = nn.utils.parameters_to_vector(net.parameters()).detach()

    def loss(w):
        first, second = w[:4].view(2, 2), w[4:].view(1, 2)
        return ((torch.from_numpy(x) @ first.T @ second.T - y) ** 2).mean()

    values, vectors = torch.linalg.eigh(torch.func.hessian(loss)(start))
    lr = float(2.2 / values[-1])
    given = 1e-6 * torch.stack([vectors[:, -1], -vectors[:, -1]]).numpy()
    system = nndyn.Training(net, (x, y.numpy()), loss="mse", lr=lr)
    run = nndyn.record(system, tmp_path / "r.nc", steps=15, replicas=2, perturbations=given)
    found = nndyn.lyapunov(run, parameter="all", window=(1, 15))
    rates = found["parameter_exponent"].values
    np.testing.assert_allclose(rates, np.log(1.2), atol=1e-9)
    assert abs(rates[0] - rates[1]) < 1e-9
    shares = []
    for sign in (1, -1):
        w, other = start.clone(), start + sign * torch.from_numpy(given[0])
        for _ in range(15):
            w, other = (v - lr * torch.func.grad(loss)(v) for v in (w, other))
        square = (other - w).square()
        shares.append(
            [float(square[:4].sum() / square.sum()), float(square[4:].sum() / square.sum())]
        )
    np.testing.assert_allclose(found["parameter_share_end"], np.mean(shares, axis=0), atol=1e-9)


def test_a_layer_is_all_parameters_of_a_module(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1.0)
    run = nndyn.record(system, tmp_path / "r.nc", steps=30, replicas=2)
    parts = nndyn.lyapunov(run, parameter="all", window=(1, 30))
    layers = nndyn.lyapunov(run, by="layer", window=(1, 30))
    assert layers["parameter"].values.tolist() == ["0", "2"]
    both = parts["parameter_share"].values.reshape(31, 2, 2).sum(axis=2)
    np.testing.assert_allclose(layers["parameter_share"], both, rtol=1e-12)
    np.testing.assert_allclose(layers["parameter_share"].sum("parameter"), 1.0, rtol=1e-12)
    with pytest.raises(
        UnknownNameError, match=r"parameter is '0.weight', expected 'all', '0' or '2'"
    ):
        nndyn.lyapunov(run, parameter="0.weight", by="layer")
    other = run.drop_vars("distance_l2_parameter")
    derived = nndyn.lyapunov(other, by="layer", window=(1, 30))
    for name in ("parameter_exponent", "parameter_share_mean", "parameter_relative"):
        np.testing.assert_allclose(derived[name], layers[name], rtol=1e-9)


def test_a_parameter_without_a_deviation_has_no_numbers_and_one_begins_where_it_has_one():
    t = np.arange(40)
    late = np.where(t < 10, 0.0, 1e-9 * np.exp(0.3 * t))
    parts = {"a": 1e-8 * np.exp(0.3 * t), "b": late, "c": np.zeros(40)}
    found = nndyn.lyapunov(drawn(parts), parameter="all", window=(2, 30))
    rates = found["parameter_exponent"].values
    np.testing.assert_allclose(rates[:2], 0.3, atol=1e-9)
    np.testing.assert_allclose(found["parameter_growth"][:2], [28 * 0.3, 20 * 0.3], atol=1e-9)
    assert np.isnan(rates[2])
    assert np.isnan(found["parameter_growth"][2])
    note = found["parameter_exponent"].attrs["note"]
    assert "b begins at step 10, where its deviation is first not 0" in note
    assert "c has no deviation in the window" in note
    np.testing.assert_allclose(found["parameter_share_start"], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(found["parameter_share_end"], [1 / 1.01, 0.01 / 1.01, 0])
    assert to_dict(found)["results"]["parameter_growth"]["value"][2] is None


def test_growth_of_a_part_is_no_growth_of_the_others():
    t = np.arange(60)
    parts = {"grows": 1e-8 * np.exp(0.2 * t), "stays": np.full(60, 1e-7)}
    found = nndyn.lyapunov(drawn(parts), parameter="all", window=(1, 40))
    np.testing.assert_allclose(found["parameter_growth"], [39 * 0.2, 0.0], atol=1e-9)


def test_without_a_window_every_number_is_null_with_the_reason():
    parts = {"a": np.full(40, 0.5), "b": np.full(40, 0.5)}
    found = nndyn.lyapunov(drawn(parts), parameter="all")
    assert found["window"].isnull().all()
    for name in ("parameter_growth", "parameter_share_mean", "parameter_relative"):
        assert found[name].isnull().all()
        assert found[name].attrs["note"] == found["window"].attrs["note"]


def test_what_there_is_no_answer_to_is_said(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1.0)
    run = nndyn.record(system, tmp_path / "r.nc", steps=30, replicas=2, store="every:5")
    with pytest.raises(DataError, match=r"no distance_l2_parameter.*record it again"):
        nndyn.lyapunov(run.drop_vars("distance_l2_parameter"), parameter="all")
    with pytest.raises(UsageError, match="distances by parameter are l2"):
        nndyn.lyapunov(run, parameter="all", distance="l1")
    with pytest.raises(UnknownNameError, match=r"did you mean '0\.weight'"):
        nndyn.lyapunov(run, parameter="0.wight")
    with pytest.raises(DataError, match="one parameter"):
        nndyn.lyapunov(drawn({"w": np.full(40, 1e-8)}), parameter="all")
    later = nndyn.lyapunov(run, parameter="all", window=(1, 18))["parameter_relative"]
    assert later.attrs["note"] == "at step 15, the last state in the window"
    assert json.loads(nndyn.lyapunov(run, by="layer").attrs["parameters"])["by"] == "layer"
