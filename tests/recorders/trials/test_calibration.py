"""The length of deviations that rounding leaves room for; a null where it leaves none."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import UnknownNameError, UsageError
from nndyn.numerics.series import rounding_of_a_step
from recorders.request import make
from recorders.trials.calibration import calibrate


def digits(dtype="float32", lr=3.0, **options):
    return nndyn.Training("mlp:64-32-10", "digits", lr=lr, dtype=dtype, **options)


def iris(dtype="float32", **options):
    return nndyn.Training("mlp:4-8-3", "iris", lr=0.5, dtype=dtype, **options)


def manifest(recording):
    return json.loads(recording.attrs["manifest"])


class Attention(nn.Module):
    """One head, whose key bias has no gradient but that of rounding."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(4, 4) for _ in range(3))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = x[:, None, :] * torch.arange(1.0, 5.0, dtype=x.dtype)[:, None]
        weights = (self.query(x) @ self.key(x).mT).softmax(-1)
        return self.head((weights @ self.value(x)).mean(1))


def test_a_chaotic_transient_in_float32_has_its_verdict(tmp_path):
    with pytest.warns(UserWarning, match="rescaled every 5 steps"):
        run = nndyn.record(digits(), tmp_path / "run.nc", steps=200, evaluate=0, tangents=1)
    found = run.nndyn.lyapunov()
    assert found.attrs["verdict"] == "transient"
    along = float(np.nanmax(run["tangent_log_stretch"]))  # the orbit is another one than in float64
    assert float(found["growth"]) == pytest.approx(along, rel=0.15)
    assert manifest(run)["recording"]["rescale"] == 5
    noted = manifest(run)["calibration"]
    assert 10 * 50 * noted["rounding"] * 0.02 < noted["length"] < noted["limit"]


def test_where_there_is_room_nothing_is_rescaled():
    system = iris("float64")
    found = calibrate(system, make(system, steps=60, epsilon="auto"))
    assert found.rescale == 0
    assert found.limit > found.length > 10 * found.trial.rounding
    assert np.log(found.limit / found.length) > found.trial.growth.max()


def test_what_is_given_is_kept(tmp_path):
    system = digits()
    assert calibrate(system, make(system, steps=60, rescale=3)).rescale == 3
    run = nndyn.record(iris(), tmp_path / "run.nc", steps=5, epsilon=1e-3, evaluate=0)
    assert manifest(run)["recording"]["epsilon"] == 1e-3
    assert "calibration" not in manifest(run)


def test_float64_stays_at_its_size_unless_asked(tmp_path):
    run = nndyn.record(iris("float64"), tmp_path / "run.nc", steps=20, evaluate=0)
    assert manifest(run)["recording"]["epsilon"] == 1e-8
    assert "calibration" not in manifest(run)
    run = nndyn.record(iris("float64"), tmp_path / "auto.nc", steps=20, evaluate=0, epsilon="auto")
    assert 1e-15 < manifest(run)["recording"]["epsilon"] < 1e-10


@pytest.mark.filterwarnings("ignore:rounding to float32")
def test_a_file_goes_on_with_what_was_found(tmp_path):
    whole = nndyn.record(iris(), tmp_path / "whole.nc", steps=20, evaluate=0, epsilon="auto")
    nndyn.record(iris(), tmp_path / "run.nc", steps=20, evaluate=0, epsilon="auto").close()
    one = nndyn.record(iris(), tmp_path / "run.nc", steps=24, evaluate=0, resume=True)
    other = nndyn.record(iris(), tmp_path / "whole.nc", steps=24, evaluate=0, resume=True)
    assert one.drop_attrs().equals(other.drop_attrs())
    np.testing.assert_array_equal(one["state"][:21], whole["state"])
    with pytest.raises(UsageError, match=r"recording.epsilon is .* in the file, 0.5 asked"):
        nndyn.record(iris(), tmp_path / "run.nc", steps=30, epsilon=0.5, evaluate=0, resume=True)


@pytest.mark.filterwarnings("ignore:rounding to float32")
def test_runs_of_a_batch_are_calibrated_one_by_one(tmp_path):
    systems = [iris(seed=seed) for seed in (0, 1)]
    paths = [tmp_path / f"{seed}.nc" for seed in (0, 1)]
    nndyn.record_batch(systems, paths, seeds=[0, 1], steps=12, evaluate=0)
    for seed, path in enumerate(paths):
        alone = tmp_path / "alone.nc"
        nndyn.record(
            iris(seed=seed), alone, steps=12, evaluate=0, seed=seed, overwrite=True
        ).close()
        assert nndyn.open(path).drop_attrs().equals(nndyn.open(alone).drop_attrs())


def test_parameters_whose_gradient_is_rounding_are_named(tmp_path):
    system = nndyn.Training(Attention, "iris", optimizer="adam", lr=0.01, dtype="float32")
    expected = r"rounding to float32 leaves no room .* key.bias \(\d+ ?%\).*`tangents=1`.*float64"
    with pytest.raises(UsageError, match=expected):
        nndyn.record(system, tmp_path / "run.nc", steps=60)
    assert not (tmp_path / "run.nc").exists()


@pytest.mark.filterwarnings("ignore:rounding to float32")
def test_tangents_need_no_room(tmp_path):
    system = nndyn.Training(Attention, "iris", optimizer="adam", lr=0.01, dtype="float32")
    run = nndyn.record(system, tmp_path / "run.nc", steps=60, tangents=1, evaluate=0)
    assert run.nndyn.lyapunov().attrs["verdict"] in ("regular", "transient", "chaotic")


def test_the_error_of_a_step_is_found_again():
    rng = np.random.default_rng(0)
    growth = np.concatenate([[0.0], np.cumsum(rng.normal(0.1, 0.3, 40))])
    piled = np.zeros(41)
    for t in range(1, 41):  # each step adds 3e-7, and what is there grows
        piled[t] = piled[t - 1] * np.exp(growth[t] - growth[t - 1]) + 3e-7
    index = np.arange(1, 41)
    error, _ = rounding_of_a_step(growth, index, piled[1:])
    assert error == pytest.approx(3e-7, rel=1e-12)
    piled[17] *= 2.0
    assert rounding_of_a_step(growth, index, piled[1:]) == (pytest.approx(6e-7), 16)
    assert rounding_of_a_step(growth, index[:0], piled[:0]) == (0.0, 0)


def test_only_what_is_named_is_perturbed(tmp_path):
    names = "parameters:2.weight,0.bias"
    run = nndyn.record(iris("float64"), tmp_path / "run.nc", steps=1, perturb=names, evaluate=0)
    apart = (run["state"][0, 1:6] != run["state"][0, 0]).all("replica").values
    kept = np.isin(run["parameter_name"], ["2.weight", "0.bias"])
    expected = np.repeat(kept, run["parameter_size"])
    np.testing.assert_array_equal(apart, expected)
    assert manifest(run)["recording"]["perturb"] == "parameters:0.bias,2.weight"
    with pytest.raises(UnknownNameError, match=r"'2.wight', which is no parameter.*2.weight"):
        make(iris(), steps=1, perturb="parameters:2.wight")


def test_the_share_that_rounding_left_is_stored(tmp_path):
    run = nndyn.record(iris("float64"), tmp_path / "run.nc", steps=1, replicas=2, evaluate=0)
    np.testing.assert_array_equal(run["perturbed_share"], [np.nan, 1.0, 1.0, np.nan])
    small = 5e-6  # the largest weights take steps of 2e-7, and many a deviation is smaller
    run = nndyn.record(
        digits(), tmp_path / "coarse.nc", steps=1, replicas=1, epsilon=small, evaluate=0
    )
    state = run["state"].values[0]
    weights = np.repeat(["weight" in n for n in run["parameter_name"].values], run.parameter_size)
    share = np.mean(state[1, weights] != state[0, weights])
    assert 0.9 < share < 1.0
    assert float(run["perturbed_share"][1]) == share


def test_what_autocast_swallows_is_said(tmp_path):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(16, 4), torch.randint(3, (16,))

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    loop = nndyn.Loop(step, model=model, stateful={"optimizer": optimizer})
    with pytest.warns(UserWarning, match=r"bfloat16 \(autocast\).*2⁻⁸ of a weight is swallowed"):
        nndyn.record(loop, tmp_path / "run.nc", steps=2, epsilon=1e-5)
