"""Maps, flows, gradient descent and tangents from the command line."""

import json

import numpy as np
import pytest

import nndyn


def test_tangents_are_recorded_alone_and_analyzed(cli):
    words = ("--tangents", "all", "--replicas", 0, "--steps", 20_000, "-o", "h.nc")
    code, out, _ = cli("record", "map", "henon", *words)
    assert code == 0
    assert "1 replica" in out
    code, out, _ = cli("analyze", "spectrum", "h.nc", "--json")
    found = json.loads(out)
    assert code == 0
    low, high = found["results"]["exponents"]["ci"][0]
    assert low < 0.41923 < high
    assert found["results"]["exponent_sum_exact"]["value"] == pytest.approx(np.log(0.3))
    code, out, _ = cli("analyze", "spectrum", "h.nc")
    assert "exponents 2" in out
    assert cli("plot", "spectrum", "h.nc", "-o", "h.png")[0] == 0


def test_parameters_may_be_several_numbers(cli):
    words = ("--param", "curvatures=0.5,1.5", "--param", "lr=1", "--steps", 200)
    tangents = ("--tangents", "all", "--replicas", 0, "--discard", 0)
    assert cli("record", "gd", "quadratic", *words, *tangents, "-o", "q.nc")[0] == 0
    with nndyn.open("q.nc") as run:
        np.testing.assert_allclose(run.nndyn.spectrum()["exponents"], np.log(0.5), atol=1e-6)


def test_an_adaptive_flow_is_recorded(cli):
    words = ("--method", "dop853", "--dt", 0.1, "--steps", 20, "--discard", 5, "--replicas", 1)
    assert cli("record", "flow", "rossler", *words, "-o", "f.nc")[0] == 0
    with nndyn.open("f.nc") as run:
        assert json.loads(run.attrs["manifest"])["system"]["method"] == "dop853"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("map", "henon", "--tangents", "some"), "tangents is 'some', expected a whole number or"),
        (("map", "henon", "--tangents", "3"), "tangents is 3, expected at most 2"),
        (("map", "henon", "--replicas", "0"), "without a perturbed replica or tangents"),
        (("gd", "quadratic", "--param", "curvatures=1,x"), "curvatures is '1,x'"),
        (("gd", "cubic", "--param", "lr=1,2"), "lr is '1,2', expected one number"),
        (("gd", "henon"), "unknown gd 'henon'; known: quadratic, cubic"),
        (("flow", "lorenz63", "--method", "euler"), "euler"),
    ],
)
def test_wrong_usage_is_one_line(cli, words, message):
    code, _, err = cli("record", *words, "--steps", 10, "-o", "r.nc")
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_recording_without_tangents_says_how_to_get_them(cli):
    words = ("--steps", 30, "--store", "distances", "-o", "r.nc")
    assert cli("record", "map", "henon", *words)[0] == 0
    code, _, err = cli("analyze", "spectrum", "r.nc")
    assert code == 1
    assert "record with --tangents all" in err


def test_a_series_is_recorded_by_one_command(cli):
    np.save("x.npy", np.sin(0.1 * np.arange(300)))
    code, out, err = cli("record", "series", "x.npy", "--interval", 0.1, "-o", "r.nc")
    assert code == 0, err
    assert out.startswith("r.nc: x.npy, 300 times of 1 component, ")
    code, out, _ = cli("verify", "r.nc")
    assert code == 0
    code, _, err = cli("record", "series", "x.npy", "-o", "r.nc")
    assert code == 2
    assert "r.nc exists" in err
    code, _, err = cli("info", "--config", "r.nc")
    assert code == 2
    assert "a series comes from its file" in err
