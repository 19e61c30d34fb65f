"""Recordings on a GPU against those on the CPU."""

import numpy as np
import pytest

import nndyn
from tests.recorders.on_a_gpu import GPU, NEEDED
from tests.recorders.plain_loops import record

pytestmark = NEEDED  # mark.gpu


@pytest.fixture(scope="module")
def on_both(tmp_path_factory):
    """Return a function that records a model on the CPU once and on the GPU twice."""
    folder = tmp_path_factory.mktemp("devices")
    kept = {}

    def recorded(model, batch_size):
        if (model, batch_size) not in kept:
            kept[model, batch_size] = [
                record(
                    folder / f"{model[:3]}-{batch_size}-{i}.nc",
                    nndyn.Training(
                        model,
                        "digits",
                        samples=100,
                        init="xavier",
                        lr=0.1,
                        momentum=0.5,
                        batch_size=batch_size,
                        device=device,
                    ),
                    steps=30,
                    replicas=3,
                    epsilon=1e-4,
                    evaluate=1,
                )
                for i, device in enumerate(["cpu", GPU, GPU])
            ]
        return kept[model, batch_size]

    return recorded


@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("model", ["mlp:64-12-10", "cnn:4-8"])
class TestOnAGpu:
    def test_distances_are_those_of_the_cpu(self, on_both, model, batch_size):
        cpu, gpu, _ = on_both(model, batch_size)
        np.testing.assert_array_equal(cpu["state"][0], gpu["state"][0])
        for name in ("distance_l1", "distance_l2", "distance_linf", "distance_output"):
            np.testing.assert_allclose(
                gpu[name][:, 1:-1], cpu[name][:, 1:-1], rtol=1e-6, err_msg=name
            )
        for name in ("loss", "test_loss", "gradient_norm", "step_length"):
            np.testing.assert_allclose(gpu[name], cpu[name], rtol=1e-8, atol=1e-15, err_msg=name)
        np.testing.assert_array_equal(gpu["accuracy"], cpu["accuracy"])

    def test_the_control_stays_within_rounding(self, on_both, model, batch_size):
        _, gpu, _ = on_both(model, batch_size)
        control = gpu["distance_l2"][:, -1]
        floor = gpu["rounding_distance"]
        assert (control[gpu["floor_time"].astype(int)] <= 10 * floor).all()
        assert (control <= 1e-8 * gpu["distance_l2"][:, 1:-1].min(1)).all()

    def test_two_runs_have_the_same_bits(self, on_both, model, batch_size):
        _, one, two = on_both(model, batch_size)
        assert one.keys() == two.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)

    def test_states_arrive_whole_and_in_order(self, on_both, model, batch_size):
        cpu, gpu, _ = on_both(model, batch_size)
        np.testing.assert_allclose(gpu["state"], cpu["state"], rtol=1e-9, atol=1e-11)
        # distances are computed where the states live, before they are copied
        apart = np.abs(gpu["state"] - gpu["state"][:, :1])
        np.testing.assert_array_equal(gpu["distance_linf"], apart.max(2))
        np.testing.assert_allclose(gpu["distance_l1"], apart.sum(2), rtol=1e-12)
