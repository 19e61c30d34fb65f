"""Recording an ensemble: against plain loops, with rescaling and divergence."""

import json

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import DataError, UsageError
from recorders import drive
from recorders.request import make
from recorders.trials.cost import estimate
from tests.recorders.linear import Linear, assert_same, values


def test_distances_equal_those_of_separate_torch_modules(tmp_path):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    make_net = lambda: torch.nn.Sequential(  # noqa: E731
        torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)
    ).double()
    net, steps = make_net(), 60
    start = torch.nn.utils.parameters_to_vector(net.parameters()).detach().numpy().copy()
    deviations = rng.uniform(-1e-8, 1e-8, (3, start.size))
    system = nndyn.Training(net, (x, y), lr=0.3, momentum=0.9)
    recording = nndyn.record(
        system, tmp_path / "r.nc", steps=steps, replicas=3, perturbations=deviations
    )

    paths, losses = [], []
    for deviation in [np.zeros_like(start), *deviations]:
        twin = make_net()
        torch.nn.utils.vector_to_parameters(torch.tensor(start + deviation), twin.parameters())
        optimizer = torch.optim.SGD(twin.parameters(), lr=0.3, momentum=0.9)
        path = []
        for _ in range(steps + 1):
            weights = torch.nn.utils.parameters_to_vector(twin.parameters())
            path.append(weights.detach().numpy().copy())
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(twin(torch.as_tensor(x)), torch.as_tensor(y))
            if not paths:
                losses.append(loss.item())
            loss.backward()
            optimizer.step()
        paths.append(np.array(path))
    rounding = {"rtol": 1e-7, "atol": 1e-11}  # of weights near one, where distances are near 1e-7
    with recording:
        for r in (1, 2, 3):
            apart = paths[r] - paths[0]
            np.testing.assert_allclose(
                recording["distance_l1"][:, r], np.abs(apart).sum(axis=1), **rounding
            )
            np.testing.assert_allclose(
                recording["distance_l2"][:, r], np.linalg.norm(apart, axis=1), **rounding
            )
        np.testing.assert_allclose(recording["state"][:, 0], paths[0], atol=1e-12)
        np.testing.assert_allclose(recording["loss"][:, 0], losses, rtol=1e-11)
        moved = np.linalg.norm(np.diff(paths[0], axis=0), axis=1)
        np.testing.assert_allclose(recording["step_length"][1:, 0], moved, rtol=1e-9)
        assert recording["step_length"][0, 0] == 0.0


@pytest.mark.parametrize("width", [5, 8, 13])
@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_the_control_stays_on_the_reference(tmp_path, width, replicas):
    system = nndyn.Training(f"mlp:4-{width}-3", "iris", lr=2.0)
    with nndyn.record(system, tmp_path / "r.nc", steps=40, replicas=replicas) as recording:
        assert recording["role"].values[-1] == 2
        for name in ("distance_l1", "distance_l2", "distance_linf", "distance_output"):
            assert (recording[name].values[:, -1] == 0.0).all()
            assert (recording[name].values[:, 1] > 0.0).all()


def test_the_first_time_is_the_initial_state_and_the_last_follows_the_last_step(tmp_path):
    with nndyn.record(Linear(0.5, 2.0), tmp_path / "r.nc", steps=3) as recording:
        np.testing.assert_array_equal(recording["time"], [0, 1, 2, 3])
        np.testing.assert_array_equal(recording["state"][:, 0, 0], [1, 0.5, 0.25, 0.125])
        np.testing.assert_array_equal(recording["state"][:, 0, 1], [1, 2, 4, 8])


def test_perturbing_weights_leaves_biases_alone(tmp_path):
    weights = nndyn.record(Linear(1.0, 1.0, 1.0), tmp_path / "w.nc", steps=1)
    everything = nndyn.record(Linear(1.0, 1.0, 1.0), tmp_path / "a.nc", steps=1, perturb="all")
    with weights, everything:
        deviation = (weights["state"][0] - weights["state"][0, 0]).values
        assert (deviation[1:6, :2] != 0).all()
        assert (np.abs(deviation) < 1e-8).all()
        assert (deviation[:, 2] == 0).all()
        assert (everything["state"][0, 1:6, 2] != everything["state"][0, 0, 2]).all()


def test_a_perturbation_does_not_depend_on_how_many_there_are(tmp_path):
    few = nndyn.record(Linear(1.1, 1.0), tmp_path / "few.nc", steps=2, replicas=2)
    many = nndyn.record(Linear(1.1, 1.0), tmp_path / "many.nc", steps=2, replicas=6)
    with few, many:
        np.testing.assert_array_equal(few["state"][:, 1:3], many["state"][:, 1:3])


def test_pairs_are_mirrored_and_known(tmp_path):
    recording = nndyn.record(
        nndyn.systems.henon(), tmp_path / "r.nc", steps=3, replicas=4, pairs=True
    )
    with recording:
        assert recording["pair"].values.tolist() == [-1, 2, 1, 4, 3, -1]
        deviation = (recording["state"][0] - recording["state"][0, 0]).values
        np.testing.assert_allclose(deviation[1], -deviation[2], rtol=1e-7)
        assert not np.allclose(deviation[1], deviation[3], atol=0)


def test_mirrored_rows_of_given_perturbations_are_recognized(tmp_path):
    rows = np.array([[1e-8, 0], [0, 1e-8], [-1e-8, 0]])
    recording = nndyn.record(
        nndyn.systems.henon(), tmp_path / "r.nc", steps=3, replicas=3, perturbations=rows
    )
    with recording:
        assert recording["pair"].values.tolist() == [-1, 3, -1, 1, -1]


def test_alignment_leaves_partners_out_and_tells_directions_apart(tmp_path):
    rows = np.array([[1e-8, 0], [-1e-8, 0], [0, 1e-8], [1e-8, 1e-8]])
    recording = nndyn.record(
        Linear(1.0, 1.0), tmp_path / "r.nc", steps=1, replicas=4, perturbations=rows
    )
    half = np.sqrt(0.5)
    with recording:
        expected = (0 + half + 0 + half + half) / 5  # (1, 3) (1, 4) (2, 3) (2, 4) (3, 4)
        assert recording["deviation_alignment"][0].item() == pytest.approx(expected, rel=1e-6)


def test_rescaling_restores_the_length_and_counts_what_it_took(tmp_path):
    system = Linear(3.0, 3.0, start=0.0)
    recording = nndyn.record(system, tmp_path / "r.nc", steps=12, rescale=4, replicas=2)
    with recording:
        distance = recording["distance_l2"].values[:, 1]
        taken = recording["log_rescale"].values[:, 1]
        np.testing.assert_allclose(distance[[0, 4, 8, 12]], distance[0], rtol=1e-12)
        np.testing.assert_array_equal(np.flatnonzero(np.diff(taken)) + 1, [4, 8, 12])
        curve = np.log(distance) + taken
        np.testing.assert_allclose(np.diff(curve), np.log(3.0), rtol=1e-12)
        assert (recording["log_rescale"].values[:, [0, 3]] == 0.0).all()


def test_the_stored_state_is_what_the_next_step_starts_from(tmp_path):
    system = nndyn.systems.henon()
    with nndyn.record(system, tmp_path / "r.nc", steps=30, rescale=7) as recording:
        states = recording["state"].values
        for t in range(30):
            if (t + 1) % 7:
                np.testing.assert_array_equal(
                    system.advance(states[t], t, 1, ()).phase, states[t + 1]
                )


def test_rescaling_divides_the_whole_phase_buffers_included(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1.0, momentum=0.9)
    with nndyn.record(
        system, tmp_path / "r.nc", steps=20, rescale=10, state="phase", replicas=2
    ) as recording:
        phase = recording["state"].values
        assert phase.shape[2] == system.dimension
        length = np.linalg.norm(phase[:, 1] - phase[:, 0], axis=1)
        assert length[10] == pytest.approx(length[0], rel=1e-6)
        before = system.advance(phase[9], 9, 1, ()).phase
        ratio = (before[1] - before[0]) / (phase[10, 1] - phase[10, 0] + 1e-300)
        moving = np.abs(before[1] - before[0]) > 1e-11
        np.testing.assert_allclose(ratio[moving], np.median(ratio[moving]), rtol=1e-3)


def test_rescaling_never_touches_the_reference(tmp_path):
    plain = nndyn.record(nndyn.systems.logistic(), tmp_path / "a.nc", steps=50)
    rescaled = nndyn.record(nndyn.systems.logistic(), tmp_path / "b.nc", steps=50, rescale=5)
    with plain, rescaled:
        np.testing.assert_array_equal(plain["state"][:, 0], rescaled["state"][:, 0])


def test_a_replica_that_coincides_is_redrawn_and_named(tmp_path):
    with nndyn.record(
        Linear(0.0, 0.0), tmp_path / "r.nc", steps=8, rescale=4, replicas=2
    ) as recording:
        distance = recording["distance_l2"].values[:, 1:3]
        assert (distance[[1, 2, 3, 5, 6, 7]] == 0).all()
        np.testing.assert_allclose(distance[[4, 8]], distance[[0, 0]], rtol=1e-12)
        assert json.loads(recording.attrs["redrawn"]) == [[1, 4], [2, 4], [1, 8], [2, 8]]
        assert (recording["log_rescale"].values == 0).all()


def test_every_k_keeps_each_kth_state_and_the_last(tmp_path):
    full = nndyn.record(nndyn.systems.henon(), tmp_path / "full.nc", steps=22)
    some = nndyn.record(nndyn.systems.henon(), tmp_path / "some.nc", steps=22, store="every:5")
    none = nndyn.record(nndyn.systems.henon(), tmp_path / "none.nc", steps=22, store="distances")
    with full, some, none:
        assert some["state_time"].values.tolist() == [0, 5, 10, 15, 20, 22]
        np.testing.assert_array_equal(
            some["state"].values, full["state"].values[[0, 5, 10, 15, 20, 22]]
        )
        assert "state" not in none
        for name in ("distance_l1", "distance_l2", "distance_linf", "step_length"):
            np.testing.assert_array_equal(some[name].values, full[name].values)
            np.testing.assert_array_equal(none[name].values, full[name].values)


def test_evaluations_lie_on_their_own_times_unless_taken_at_each(tmp_path):
    batches = nndyn.Training("mlp:4-5-3", "iris", lr=0.1, batch_size=30)
    with nndyn.record(batches, tmp_path / "b.nc", steps=10) as recording:
        assert recording["evaluation_time"].values.tolist() == [0, 4, 8, 10]
        assert recording["loss"].dims == ("evaluation_time", "replica")
        np.testing.assert_allclose(recording["epoch"].values, np.arange(11) / 4)
    full = nndyn.Training("mlp:4-5-3", "iris", lr=0.1)
    every = nndyn.record(full, tmp_path / "e.nc", steps=9)
    third = nndyn.record(full, tmp_path / "t.nc", steps=9, evaluate=3)
    with every, third:
        assert every["loss"].dims == ("time", "replica")
        np.testing.assert_array_equal(third["loss"].values, every["loss"].values[::3])


def test_the_rounding_floor_is_measured_in_another_summation_order(tmp_path):
    system = nndyn.Training("mlp:4-8-3", "iris", lr=1.0)
    with nndyn.record(system, tmp_path / "r.nc", steps=120, store="distances") as recording:
        assert recording["floor_time"].values.tolist() == list(range(13))
        floor = recording["rounding_distance"].values
        start = system.initial(0)[None]
        twin = system.reordered().advance(start, 0, 13, range(13)).states[:, 0]
        own = system.advance(np.repeat(start, 7, axis=0), 0, 13, range(13)).states[:, 0]
        np.testing.assert_allclose(floor, np.linalg.norm(twin - own, axis=1), rtol=1e-12)
        assert floor[0] == 0 < floor[-1] < 1e-12


def test_a_diverging_reference_ends_the_run_with_a_reason(tmp_path):
    with nndyn.record(Linear(1e50, 1.0), tmp_path / "r.nc", steps=50) as recording:
        assert recording.attrs["status"] == "stopped"
        # the step to 1e200 has a length that overflows, though the state is still a number
        assert "from step 4 on" in recording.attrs["stop_reason"]
        assert recording["time"].values.tolist() == [0, 1, 2, 3]
        assert recording["diverged_at"].values[0] == 4
        assert np.isfinite(recording["step_length"].values[:, 0]).all()
        assert np.isfinite(recording["state"].values[:, 0]).all()


def test_a_run_that_diverges_at_its_last_step_says_so(tmp_path):
    with nndyn.record(Linear(1e50, 1.0), tmp_path / "r.nc", steps=4) as recording:
        assert recording.attrs["status"] == "stopped"
        assert recording["time"].values.tolist() == [0, 1, 2, 3]


def test_values_of_a_diverged_replica_are_nan_from_there_on(tmp_path):
    rows = np.array([[1e60, 0.0], [1e-8, 0.0]])
    system = Linear(1e50, 1.0, start=0.0)
    with nndyn.record(
        system, tmp_path / "r.nc", steps=4, replicas=2, perturbations=rows, rescale=None
    ) as recording:
        at = recording["diverged_at"].values
        assert at.tolist() == [-1, 2, 4, -1] or at.tolist() == [-1, 2, -1, -1]
        assert np.isnan(recording["distance_l2"].values[2:, 1]).all()
        assert np.isnan(recording["state"].values[2:, 1]).all()
        assert np.isfinite(recording["distance_l2"].values[:2, 1]).all()
        assert np.isfinite(recording["state"].values[:, 0]).all()


def test_results_do_not_depend_on_how_a_run_is_cut(tmp_path, monkeypatch):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1.0, optimizer="adam", batch_size=32)
    whole = values(nndyn.record(system, tmp_path / "a.nc", steps=50, rescale=6))
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    assert_same(whole, values(nndyn.record(system, tmp_path / "b.nc", steps=50, rescale=6)))


def test_an_existing_file_is_not_touched_unless_asked(tmp_path):
    path = tmp_path / "r.nc"
    nndyn.record(nndyn.systems.henon(), path, steps=20).close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="overwrite"):
        nndyn.record(nndyn.systems.henon(), path, steps=20)
    assert path.read_bytes() == before
    with nndyn.record(nndyn.systems.henon(), path, steps=5, overwrite=True) as recording:
        assert recording.sizes["time"] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number, 1 or more"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": None}, "steps is None"),
        ({"steps": float("inf")}, "steps is inf"),
        ({"perturbations": "abc"}, "perturbations is no array"),
        ({"replicas": 0}, "replicas is 0"),
        ({"replicas": -1}, "replicas is -1"),
        ({"epsilon": 0.0}, "epsilon is 0.0, expected a finite number above 0"),
        ({"epsilon": float("nan")}, "epsilon is nan"),
        ({"epsilon": 1e-17}, "below the rounding of float64"),
        ({"pairs": True, "replicas": 3}, "even number of replicas, got 3"),
        ({"rescale": 0}, "rescale is 0"),
        ({"store": "all"}, "store is 'all', expected 'full'"),
        ({"store": "every:0"}, "store is 'every:0'"),
        ({"state": "momentum"}, "state is 'momentum'"),
        ({"perturb": "biases"}, "perturb is 'biases'"),
        ({"seed": -1}, "seed is -1"),
        ({"perturbations": np.ones((2, 2))}, r"shape \(2, 2\), expected \(5, 2\)"),
        ({"perturbations": np.full((5, 2), np.nan)}, "row 0 is not finite"),
        ({"perturbations": np.diag([1.0, 0])[[0, 0, 1, 0, 0]]}, "row 2 is zero"),
        ({"resume": True, "overwrite": True}, "exclude each other"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        nndyn.record(nndyn.systems.henon(), tmp_path / "r.nc", **{"steps": 10, **options})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_system_or_no_path_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"expected nndyn\.Training"):
        nndyn.record(3, tmp_path / "r.nc", steps=5)
    with pytest.raises(UsageError, match="path is 5"):
        nndyn.record(nndyn.systems.henon(), 5, steps=5)


def test_an_epsilon_that_float32_cannot_carry_is_refused(tmp_path):
    system = Linear(1.0, 1.0, dtype="float32")
    with pytest.raises(UsageError, match=r"below the rounding of float32.*or float64"):
        nndyn.record(system, tmp_path / "r.nc", steps=3, epsilon=1e-8)


def test_a_state_that_stands_still_takes_what_float32_can_hold(tmp_path):
    run = nndyn.record(Linear(1.0, 1.0, dtype="float32"), tmp_path / "r.nc", steps=3)
    assert (run["perturbed_share"][1:6] == 1.0).all()


def test_an_initial_state_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(DataError, match="initial state of linear is not finite"):
        nndyn.record(Linear(1.0, 1.0, start=np.nan), tmp_path / "r.nc", steps=3)


def test_the_estimate_foretells_the_size_of_the_file(tmp_path):
    system = nndyn.Training("mlp:30-16-2", "breast-cancer", lr=0.1)
    cost = estimate(system, steps=300)
    nndyn.record(system, tmp_path / "r.nc", steps=300).close()
    assert (tmp_path / "r.nc").stat().st_size == pytest.approx(cost.bytes, rel=0.25)
    assert cost.rows == 7
    assert cost.seconds > 0


def test_blocks_stay_small_for_large_states_and_long_for_small_ones():
    large = make(nndyn.Training("mlp:64-3000-10", "digits", lr=0.1), steps=5000)
    small = make(nndyn.systems.logistic(), steps=10**6)
    assert large.block * 7 * 223_000 * 8 < 70e6
    assert 4096 < small.block <= 262_144


def test_progress_reaches_the_end(tmp_path):
    calls = []
    nndyn.record(
        nndyn.systems.henon(), tmp_path / "r.nc", steps=300_000, progress=lambda *c: calls.append(c)
    ).close()
    assert calls[-1] == (300_000, 300_000)
    assert len(calls) >= 3


def test_every_variable_has_units_and_a_long_name_for_plain_xarray(tmp_path):
    nndyn.record(nndyn.Training("mlp:4-5-3", "iris", lr=1.0), tmp_path / "r.nc", steps=30).close()
    with xr.open_dataset(tmp_path / "r.nc") as plain:
        for name, variable in plain.variables.items():
            assert variable.attrs.get("long_name"), name
            assert "units" in variable.attrs, name
        assert plain["state"].dims == ("time", "replica", "component")
        assert plain["parameter_name"].values.tolist()[0] == "0.weight"


@pytest.mark.parametrize("store", ["full", "distances", "every:7", "every:1000"])
@pytest.mark.parametrize("steps", [1, 6, 7, 700, 1001])
def test_the_size_of_a_file_is_planned_without_listing_its_times(store, steps):
    plan = make(nndyn.systems.henon(), steps=steps, store=store)
    without = make(nndyn.systems.henon(), steps=steps, store="distances")
    assert plan.block == without.block
    states = plan.bytes(nndyn.systems.henon()) - without.bytes(nndyn.systems.henon())
    assert states == len(plan.kept(0, steps + 1)) * 7 * 2 * 8


def test_a_run_of_a_billion_steps_is_planned_at_once():
    plan = make(nndyn.systems.henon(), steps=10**9, store="every:2")
    assert plan.bytes(nndyn.systems.henon()) > 5 * 10**8 * 7 * 2 * 8
