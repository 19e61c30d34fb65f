"""Many runs at once: every file is the one its run gives alone."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import nndyn
from nndyn.errors import StoreError, UsageError
from nndyn.store import Writer
from recorders import batch, drive
from recorders.batch import record_batch

TRAININGS = {
    "sgd": ({}, (0.5, 2.0)),
    "momentum": ({"momentum": 0.9}, (0.1, 0.5)),
    "adam": ({"optimizer": "adam"}, (0.01, 0.1)),
    "minibatches": ({"batch_size": 64}, (0.1, 0.5)),
}


def trainings(seeds, rates, **options):
    options = {"model": "mlp:64-16-10", "data": "digits", **options}
    return [nndyn.Training(seed=s, lr=lr, **options) for s in seeds for lr in rates]


def small(*rates, seed=0):
    return [nndyn.Training("mlp:4-5-3", "iris", lr=lr, seed=seed) for lr in rates]


def names(folder, count):
    return [folder / f"{m}.nc" for m in range(count)]


def values(path):
    with nndyn.open(path) as recording:
        return {str(name): variable.values for name, variable in recording.variables.items()}


def assert_same(path, other):
    first, second = values(path), values(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=f"{path.name}: {name}")


def status(path):
    with nndyn.open(path) as recording:
        return recording.attrs["status"]


class Wrapped:
    """A system that calls `before` with the time when it advances, alone or in a batch."""

    def __init__(self, system, before):
        self.system, self.before = system, before

    def __getattr__(self, attribute):
        return getattr(self.system, attribute)

    def advance(self, phase, start, *arguments, **keywords):
        self.before(start)
        return self.system.advance(phase, start, *arguments, **keywords)

    def together(self, others):
        team = self.system.together([other.system for other in others])
        outer = self

        class Team:
            def advance(self, phases, start, *arguments, **keywords):
                outer.before(start)
                return team.advance(phases, start, *arguments, **keywords)

        return Team()


PLAIN = {}
RESCALED = {"rescale": 7, "store": "every:4", "state": "phase"}
FEW = {"samples": 300, "seeds": 2}
PAIRS = {"pairs": True, "replicas": 4, "evaluate": 3}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {**PAIRS, **FEW}),
        ("adam", {**RESCALED, **FEW}),
        ("minibatches", {**PLAIN, **FEW}),
        pytest.param("sgd", PLAIN, marks=pytest.mark.slow),
        pytest.param("momentum", RESCALED, marks=pytest.mark.slow),
        pytest.param("adam", PLAIN, marks=pytest.mark.slow),
        pytest.param("minibatches", PAIRS, marks=pytest.mark.slow),
    ],
)
def test_a_batch_equals_its_runs_one_by_one(tmp_path, name, options):
    more, rates = TRAININGS[name]
    options = {"steps": 20, "replicas": 2, **options}
    more = {**more, "samples": options.pop("samples", None)}
    seeds = range(options.pop("seeds", 4))
    paths = {}
    for workers in (1, 2):
        (tmp_path / f"{workers}").mkdir()
        systems = trainings(seeds, rates, **more)
        files = names(tmp_path / f"{workers}", len(systems))
        paths[workers] = record_batch(systems, files, workers=workers, **options)
    for m, system in enumerate(trainings(seeds, rates, **more)):
        alone = tmp_path / f"alone {m}.nc"
        manifest = json.loads(nndyn.record(system, alone, **options).attrs["manifest"])
        for files in paths.values():
            assert_same(files[m], alone)
            with nndyn.open(files[m]) as recording:
                batched = json.loads(recording.attrs["manifest"])
            assert batched["system"] == manifest["system"]
            assert batched["recording"] == manifest["recording"]


@pytest.mark.parametrize("make", [nndyn.systems.henon, nndyn.systems.lorenz63])
def test_runs_of_one_system_differ_by_their_seeds(tmp_path, make):
    system, seeds = make(), [3, 1, 4]
    paths = record_batch([system] * 3, names(tmp_path, 3), steps=200, seeds=seeds, rescale=10)
    for path, seed in zip(paths, seeds, strict=True):
        nndyn.record(
            make(), tmp_path / "alone.nc", steps=200, seed=seed, rescale=10, overwrite=True
        ).close()
        assert_same(path, tmp_path / "alone.nc")


def test_results_do_not_depend_on_how_a_batch_is_cut(tmp_path, monkeypatch):
    whole = record_batch(small(0.5, 1.0), names(tmp_path, 2), steps=70, workers=1)
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    (tmp_path / "cut").mkdir()
    for path in record_batch(small(0.5, 1.0), names(tmp_path / "cut", 2), steps=70, workers=1):
        assert_same(path, tmp_path / path.name)
    assert len(whole) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_diverges_leaves_the_others_alone(tmp_path, workers):
    def systems():
        options = {"activation": "relu", "loss": "mse"}
        return [
            nndyn.Training("mlp:4-5-3", "iris", lr=lr, **options) for lr in (0.1, 5.0, 0.2, 0.3)
        ]

    paths = record_batch(systems(), names(tmp_path, 4), steps=90, workers=workers)
    assert [status(path) for path in paths] == ["complete", "stopped", "complete", "complete"]
    for path, system in zip(paths, systems(), strict=True):
        nndyn.record(system, tmp_path / "alone.nc", steps=90, overwrite=True).close()
        assert_same(path, tmp_path / "alone.nc")
    assert 2 < values(paths[1])["time"].size < 80


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_resumes_from_where_each_run_stands(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    rates, options = (0.5, 1.0, 1.5, 2.0), {"steps": 150, "rescale": 20, "resume": True}
    complete, _, cut, shorter = paths = names(tmp_path, 4)
    nndyn.record(*small(0.5), complete, **options).close()
    before = complete.read_bytes()

    def press(t):
        if t == 100:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        nndyn.record(Wrapped(*small(1.5), press), cut, **options)
    nndyn.record(*small(2.0), shorter, **{**options, "steps": 30}).close()
    assert [values(path)["time"].size for path in (cut, shorter)] == [102, 31]

    record_batch(small(*rates), paths, workers=workers, **options)
    monkeypatch.undo()
    assert complete.read_bytes() == before
    for path, system in zip(paths, small(*rates), strict=True):
        assert status(path) == "complete"
        nndyn.record(system, tmp_path / "alone.nc", steps=150, rescale=20, overwrite=True).close()
        if path == shorter:  # the length of its floor was chosen for 30 steps
            continue
        assert_same(path, tmp_path / "alone.nc")
    whole, gone_on = values(tmp_path / "alone.nc"), values(shorter)
    assert gone_on["floor_time"].size == 4
    for name in whole.keys() - {"floor_time", "rounding_distance"}:
        np.testing.assert_array_equal(whole[name], gone_on[name], err_msg=name)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_commits_every_run_and_the_batch_resumes(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    once = iter([True])

    def press(t):
        if t == 70 and next(once, False):
            os.kill(os.getpid(), signal.SIGINT)

    systems, paths = small(0.5, 1.0, 1.5, 2.0), names(tmp_path, 4)
    with pytest.raises(KeyboardInterrupt):
        record_batch([Wrapped(s, press) for s in systems], paths, steps=150, workers=workers)
    for path in paths:
        with nndyn.open(path) as recording:
            assert recording.attrs["status"] == "recording"
            assert 0 < recording.sizes["time"] < 150
    monkeypatch.undo()
    record_batch(small(0.5, 1.0, 1.5, 2.0), paths, steps=150, resume=True)
    for path, system in zip(paths, small(0.5, 1.0, 1.5, 2.0), strict=True):
        nndyn.record(system, tmp_path / "alone.nc", steps=150, overwrite=True).close()
        assert_same(path, tmp_path / "alone.nc")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_whose_file_cannot_be_written_fails_alone(tmp_path, monkeypatch, workers):
    commit = Writer.commit

    def failing(self, *arguments):
        if self.path.name in ("1.nc", "2.nc"):
            raise StoreError(f"writing {self.path} failed")
        commit(self, *arguments)

    monkeypatch.setattr(Writer, "commit", failing)
    paths = names(tmp_path, 4)
    with pytest.raises(StoreError, match=r"writing .*[12]\.nc failed") as caught:
        record_batch(small(0.1, 0.2, 0.3, 0.4), paths, steps=20, workers=workers)
    assert len(caught.value.__notes__) == 1
    assert [status(path) for path in paths] == ["complete", "recording", "recording", "complete"]
    assert [values(path)["time"].size for path in paths] == [21, 0, 0, 21]


def test_a_failure_while_advancing_is_raised_and_the_files_resume(tmp_path):
    def fail(t):
        raise MemoryError("no room")

    first, second = small(0.1, 0.2)
    systems = [Wrapped(first, fail), Wrapped(second, lambda t: None)]
    with pytest.raises(MemoryError, match="no room"):
        record_batch(systems, names(tmp_path, 2), steps=20, workers=2)
    record_batch([first, second], names(tmp_path, 2), steps=20, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.nc", "1.nc"]


def test_runs_of_one_object_share_a_thread_and_others_do_not(tmp_path):
    seen = {}

    def watch(name):
        return lambda t: seen.setdefault(name, set()).add(threading.current_thread().name)

    a, b = (Wrapped(system, watch(k)) for k, system in zip("ab", small(0.1, 0.2), strict=True))
    record_batch([a, b, a, b], names(tmp_path, 4), steps=100, seeds=[0, 0, 1, 1], workers=2)
    assert len(seen["a"]) == len(seen["b"]) == 1
    assert seen["a"] != seen["b"]


def test_threads_of_a_batch_are_one_a_core_where_systems_allow_several(monkeypatch):
    systems = small(0.1, 0.2, 0.3)
    monkeypatch.setattr(batch, "cores", lambda: 2)
    assert batch._deal(systems, None) == [[0, 2], [1]]
    assert batch._deal(systems, 1) == [[0, 1, 2]]
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.1))
    random = nndyn.Training(net, "iris", lr=0.1)  # masks come from the state of the process
    assert batch._deal([systems[0], random], 2) == [[0, 1]]


def test_progress_counts_the_steps_of_all_runs(tmp_path):
    calls = []
    record_batch(small(0.1), names(tmp_path, 1), steps=100)
    record_batch(
        small(0.1, 0.2, 0.3),
        names(tmp_path, 3),
        steps=100,
        resume=True,
        progress=lambda *call: calls.append(call),
    )
    assert calls[0][0] >= 100
    assert calls == sorted(calls)
    assert calls[-1] == (300, 300)


def test_torch_is_given_back_its_threads(tmp_path):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        record_batch(small(0.1, 0.2), names(tmp_path, 2), steps=20, workers=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"systems": []}, "systems is empty"),
        ({"paths": ["a.nc"]}, "paths has 1 entries, expected 2: one a system"),
        ({"paths": ["a.nc", "./a.nc"]}, "a.nc is given for two runs"),
        ({"paths": ["a.nc", 5]}, "path is 5, expected the name of a file"),
        ({"seeds": [1, 2, 3]}, "seeds has 3 entries, expected 2"),
        ({"seeds": [1, -1]}, "seed is -1"),
        ({"workers": 0}, "workers is 0, expected a whole number, 1 or more"),
        ({"workers": True}, "workers is True"),
        ({"replicas": 0}, "replicas is 0"),
        ({"resume": True, "overwrite": True}, "exclude each other"),
        ({"systems": [nndyn.systems.henon(), "henon"]}, "system is 'henon'"),
        (
            {"systems": [nndyn.systems.henon(), nndyn.systems.lorenz63()]},
            "must agree in dimension: it is 2 in run 0 and 3 in run 1",
        ),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_written(
    tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    given = {
        "systems": [nndyn.systems.henon(), nndyn.systems.henon()],
        "paths": ["a.nc", "b.nc"],
        "steps": 10,
        **arguments,
    }
    with pytest.raises(UsageError, match=message):
        record_batch(given.pop("systems"), given.pop("paths"), **given)
    assert list(tmp_path.iterdir()) == []


def test_trainings_of_unequal_shape_are_refused(tmp_path):
    wide = nndyn.Training("mlp:4-6-3", "iris", lr=0.1)
    with pytest.raises(UsageError, match="must agree in"):
        record_batch([*small(0.1), wide], names(tmp_path, 2), steps=10)
    heavy = nndyn.Training("mlp:4-5-3", "iris", lr=0.1, momentum=0.9)
    with pytest.raises(UsageError, match="must agree in dimension"):
        record_batch([*small(0.1), heavy], names(tmp_path, 2), steps=10)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_refuses_the_whole_batch(tmp_path):
    first, second = names(tmp_path, 2)
    nndyn.record(nndyn.systems.henon(), second, steps=10).close()
    with pytest.raises(UsageError, match=r"1\.nc exists; choose another name, or overwrite"):
        record_batch([nndyn.systems.henon()] * 2, [first, second], steps=10)
    assert not first.exists()
    record_batch([nndyn.systems.henon()] * 2, [first, second], steps=20, overwrite=True)
    assert values(second)["time"].size == 21


def test_a_file_of_other_options_refuses_the_batch_and_changes_none(tmp_path):
    paths = names(tmp_path, 3)
    nndyn.record(nndyn.systems.henon(), paths[0], steps=10).close()
    nndyn.record(nndyn.systems.henon(1.3), paths[1], steps=10).close()
    before = [path.read_bytes() for path in paths[:2]]
    with pytest.raises(UsageError, match=r"1\.nc cannot be resumed: system\.parameters\.a"):
        record_batch([nndyn.systems.henon()] * 3, paths, steps=20, resume=True)
    assert [path.read_bytes() for path in paths[:2]] == before
    assert not paths[2].exists()


def test_writers_in_several_threads_do_not_disturb_one_another(tmp_path):
    """Many small blocks at once: the library, entered by two threads, would crash."""
    seeds = range(6)
    systems = [nndyn.systems.logistic() for _ in seeds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recorders.request._BLOCK_STEPS", 16)
        paths = record_batch(systems, names(tmp_path, 6), steps=800, seeds=seeds, workers=6)
    for path, seed in zip(paths, seeds, strict=True):
        nndyn.record(
            nndyn.systems.logistic(), tmp_path / "alone.nc", steps=800, seed=seed, overwrite=True
        ).close()
        assert_same(path, tmp_path / "alone.nc")


def test_a_batch_that_waits_for_a_thread_of_a_pool_gives_signs_of_life(tmp_path, monkeypatch):
    free, asked, kept = threading.Event(), [], []

    def keep_alive(writer):
        kept.append((writer.path, free.is_set(), bool(asked)))
        if len(kept) == 2:
            free.set()

    monkeypatch.setattr(Writer, "keep_alive", keep_alive)
    paths = [tmp_path / "0.nc", tmp_path / "1.nc"]
    systems = [nndyn.systems.logistic(r=r) for r in (3.6, 3.9)]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(free.wait, 20)
        options = {"steps": 5, "pool": pool, "stop": lambda: asked.append(True)}
        assert record_batch(systems, paths, workers=2, **options) == paths
    assert kept[:2] == [(path, False, True) for path in paths] or kept[:2] == [
        (path, False, True) for path in paths[::-1]
    ]
