"""Runs of every cadence in blocks of every length: nothing that happens rarely hinders a commit."""

import contextlib
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nndyn
from nndyn.store import book, verify
from recorders import request
from tests.recorders.linear import assert_same, values

DRAWN = np.random.default_rng(0).normal(size=(12, 2))
LABELS = np.arange(12) % 3
EVERY = st.integers(1, 13)


class Stopped:
    """A system that stops the run when it advances from `at`: by Ctrl-C, or by failing."""

    def __init__(self, system, at, how):
        self._system, self._at, self._how = system, at, how

    def __getattr__(self, attribute):
        return getattr(self._system, attribute)

    def advance(self, phase, start, steps, *arguments, **keywords):
        if start <= self._at < start + steps:
            if self._how == "fails":
                raise ArithmeticError
            signal.raise_signal(signal.SIGINT)
        return self._system.advance(phase, start, steps, *arguments, **keywords)


def networks(draw):
    options = {"lr": 0.2, "batch_size": draw(st.none() | st.integers(1, 12))}
    if draw(st.booleans()):
        options |= {"optimizer": "adam", "lr": 0.01}
    model = draw(st.sampled_from(["mlp:2-3", "mlp:2-2-3"]))
    return nndyn.Training(model, (DRAWN, LABELS), test=(DRAWN[:5], LABELS[:5]), **options)


def maps(draw):
    systems = nndyn.systems
    return draw(st.sampled_from([systems.logistic, systems.henon, systems.lorenz63]))()


@st.composite
def runs(draw):
    """A system, the options of its recording, a length of blocks, and where it is stopped."""
    network = draw(st.booleans())
    system = (networks if network else maps)(draw)
    steps = draw(st.integers(1, 40))
    replicas = draw(st.integers(0, 3))
    options = {"steps": steps, "replicas": replicas}
    options["tangents"] = draw(st.integers(replicas == 0, min(3, system.tangent_size)))
    options["tangent_every"] = draw(EVERY)
    options["store"] = draw(st.sampled_from(["full", "distances"]) | EVERY.map("every:{}".format))
    options["rescale"] = draw(st.none() | EVERY)
    options["control"] = draw(st.booleans())
    options["pairs"] = draw(st.booleans()) and replicas == 2
    options["state"] = draw(st.sampled_from(["weights", "phase"]))
    if network:
        options["evaluate"] = draw(st.none() | st.integers(0, 13) | st.just(steps))
        looks = st.sampled_from(["", ",top:2", ",midpoint", ",top:1,lowest,midpoint"])
        looks = st.tuples(EVERY, looks).map(lambda found: "every:{}{}".format(*found))
        options["sharpness"] = draw(st.none() | looks)
        options["quadratic_model"] = draw(st.booleans()) and replicas > 0
        options["tangent_start"] = draw(st.sampled_from([None, "weights", "random"]))
    stop = st.tuples(st.integers(0, steps - 1), st.sampled_from(["fails", "interrupted"]))
    return system, options, draw(st.integers(1, 9)), draw(st.lists(stop, max_size=3))


def check(tmp_path_factory, run):
    system, options, block, stops = run
    folder = tmp_path_factory.mktemp("blocks")
    whole = values(nndyn.record(system, folder / "whole.nc", **options))
    path = folder / "cut.nc"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(request, "_BLOCK_STEPS", block)
        for at, how in sorted(stops):
            with contextlib.suppress(KeyboardInterrupt, ArithmeticError):
                nndyn.record(Stopped(system, at, how), path, resume=True, **options).close()
        resumed = nndyn.record(system, path, resume=True, **options)
    assert resumed.attrs["status"] == "complete"
    assert_same(whole, values(resumed))
    assert verify(path).problems == ()


common = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=10, **common)
@given(run=runs())
def test_every_run_ends_and_resumes_to_the_same_arrays(tmp_path_factory, run):
    check(tmp_path_factory, run)


@pytest.mark.slow
@settings(max_examples=300, **common)
@given(run=runs())
def test_many_runs_end_and_resume_to_the_same_arrays(tmp_path_factory, run):
    check(tmp_path_factory, run)


@pytest.mark.parametrize("block", [1, 3, 4])
@pytest.mark.parametrize("evaluate", [None, 7, 100])
def test_a_block_may_hold_no_evaluation(tmp_path_factory, block, evaluate):
    system = nndyn.Training("mlp:2-2-3", (DRAWN, LABELS), lr=0.2, batch_size=1)
    options = {"steps": 30, "evaluate": evaluate, "store": "distances"}
    check(tmp_path_factory, (system, options, block, [(13, "interrupted")]))


@pytest.mark.parametrize(("replicas", "tangents"), [(0, 1), (1, 0), (1, 1), (5, 1)])
def test_variables_may_share_the_shape_of_their_chunks(tmp_path_factory, replicas, tangents):
    options = {"steps": 40, "replicas": replicas, "tangents": tangents}
    check(tmp_path_factory, (nndyn.systems.logistic(), options, 7, [(9, "fails")]))


def test_many_short_rows_of_tangent_vectors_are_written_at_once(tmp_path, monkeypatch):
    def in_turn(*_):
        raise AssertionError("a write for every row")

    monkeypatch.setattr(book, "_IN_TURN", 2**12)
    monkeypatch.setattr(book, "_LARGE", 2**12)  # rows of 195 numbers are no such
    monkeypatch.setattr(book.np, "ndindex", in_turn)
    system = nndyn.Training("mlp:4-24-3", "iris", lr=0.5)
    options = dict(steps=3, replicas=0, store="distances", tangents="all")
    with nndyn.record(system, tmp_path / "r.nc", **options) as run:
        assert run.sizes["time"] == 4
