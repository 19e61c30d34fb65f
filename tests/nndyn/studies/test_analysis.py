"""An analyzer on a study: results of every run, kept in the folder, and of the study."""

import json

import numpy as np
import pytest

import analyzers
import nndyn
from nndyn.errors import DataError, StoreError, UsageError
from nndyn.studies import run_results as module
from nndyn.studies.analysis import analyze_study, combinations, row_of
from nndyn.studies.folder import Folder
from tests.nndyn.studies.small import MAP, TRAINING, logistic


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trainings over rates and two activations; do not change it."""
    path = tmp_path_factory.mktemp("studies") / "trained"
    options = {**TRAINING, "steps": 100, "replicas": 3}
    axes = {"lr": [0.5, 2.0, 8.0], "activation": ["tanh", "relu"]}
    nndyn.sweep("training", path, seeds=3, **axes, **options)
    return path


def by_hand(index, name, **options):
    """The results of an analyzer on every run, in the order of the index."""
    found = []
    for path in index["path"].values.ravel():
        with nndyn.open(str(path)) as recording:
            found.append(analyzers.load(name)(recording, **options))
    return found


def count_analyses(monkeypatch):
    opened = []
    real = module._one
    monkeypatch.setattr(module, "_one", lambda *args: opened.append(args[-1]) or real(*args))
    return opened


def test_runs_that_are_not_asked_for_are_not_analyzed_and_keep_what_was_found(study, monkeypatch):
    folder = Folder(study)
    planned, analyzed = folder.design(), count_analyses(monkeypatch)
    points = [cell.at for cell in planned.cells]
    some = module.cells_of(folder, planned, "lyapunov", {}, points=points[:2])
    assert len(analyzed) == 2
    assert int((some["verdict"] != "").sum()) == 2
    module.cells_of(folder, planned, "lyapunov", {}, points=points[2:3])
    whole = module.cells_of(folder, planned, "lyapunov", {})
    assert len(analyzed) == len(set(analyzed)) == len(points)
    assert (whole["verdict"] != "").all()


def test_where_nothing_is_kept_runs_that_are_not_asked_for_have_no_place(study):
    folder = Folder(study)
    planned = folder.design()
    whole = module.cells_of(folder, planned, "lyapunov", {})
    points = [cell.at for cell in planned.cells if cell.at["r"] != planned.cells[0].at["r"]]
    some = module.cells_of(folder, planned, "lyapunov", {}, points=points, write=False)
    assert some.identical(whole.sel(r=some["r"]))
    assert 0 < some.sizes["r"] < whole.sizes["r"]
    none = module.cells_of(folder, planned, "lyapunov", {}, points=[], write=False)
    assert not none["verdict"].size


@pytest.mark.parametrize("name", ["lyapunov", "learning"])
def test_cells_are_what_the_analyzer_finds_on_each_recording(trained, name):
    index = nndyn.open_study(trained)
    result = analyze_study(trained, name)
    expected = by_hand(index, name)
    assert result["cell_verdict"].dims == ("lr", "activation", "seed")
    assert result["cell_verdict"].values.ravel().tolist() == [e.attrs["verdict"] for e in expected]
    for key in json.loads(expected[0].attrs["summary"]):
        if expected[0][key].ndim == 0 and expected[0][key].dtype.kind in "fib":
            values = [float(e[key]) for e in expected]
            np.testing.assert_array_equal(result[f"cell_{key}"].values.ravel(), values)
    assert (result["cell_file"].values == index["path"].values).all()
    assert (result["cell_steps"] == 100).all()


def test_further_options_give_a_part_for_each_of_their_values(trained):
    result = analyze_study(trained, "lyapunov")
    assert result.attrs["along"] == "lr"
    assert result["onset"].dims == ("activation",)
    parts = dict(combinations(result))
    assert list(parts) == ["activation=tanh", "activation=relu"]
    for activation in ("tanh", "relu"):
        part = parts[f"activation={activation}"]
        assert part.attrs["verdict"] == str(result["verdict"].sel(activation=activation).item())


def test_parts_of_a_result_say_their_own_verdicts_and_leave_it_as_it_was(trained):
    result = analyze_study(trained, "lyapunov")
    # verdicts that differ: what one part says must not reach the others, nor the whole
    said = result.assign(verdict=("activation", ["found", "above the grid"]))
    before = dict(said.attrs)
    parts = list(combinations(said))
    assert [part.attrs["verdict"] for _, part in parts] == ["found", "above the grid"]
    assert said.attrs == before
    parts[0][1].attrs["verdict"] = "changed"
    assert parts[1][1].attrs["verdict"] == "above the grid"


def test_an_analyzer_without_a_study_of_its_own_gives_medians_over_seeds(tmp_path):
    index = logistic(tmp_path / "s", seeds=5, store="full")
    result = index.nndyn.recurrence(radius=0.1)
    assert result.attrs["verdict"] == "medians"
    expected = [float(e["determinism"]) for e in by_hand(index, "recurrence", radius=0.1)]
    table = np.reshape(expected, (3, 5))
    np.testing.assert_allclose(result["determinism"].values, np.median(table, axis=1))
    low, high = result["determinism_ci"].values.T
    assert (low <= np.median(table, axis=1)).all()
    assert (np.median(table, axis=1) <= high).all()
    assert (low >= table.min(axis=1)).all()


def test_results_are_kept_by_recording_and_options(study, monkeypatch):
    opened = count_analyses(monkeypatch)
    first = analyze_study(study, "lyapunov")
    assert len(opened) == 6
    assert analyze_study(study, "lyapunov").identical(first)
    assert nndyn.open_study(study).nndyn.lyapunov().identical(first)
    assert len(opened) == 6
    analyze_study(study, "lyapunov", confidence=0.5)
    assert len(opened) == 12
    analyze_study(study, "lyapunov", confidence=0.95)  # the default
    assert len(opened) == 12
    logistic(study, seeds=3, resume=True)
    analyze_study(study, "lyapunov")
    assert [p.rsplit("/", 1)[-1] for p in opened[12:]] == [
        f"r={r}_seed=2.nc" for r in (3.5, 3.9, 4)
    ]
    logistic(study, seeds=3, steps=300, resume=True)
    longer = analyze_study(study, "lyapunov")
    assert len(opened) == 15 + 9
    assert not longer["cell_lyapunov_max"].equals(first["cell_lyapunov_max"])


def test_a_damaged_copy_of_results_is_made_anew(study):
    first = analyze_study(study, "lyapunov")
    (kept,) = (study / "results").iterdir()
    for damage in (b"", kept.read_bytes()[:5000], b"no netCDF"):
        kept.write_bytes(damage)
        assert analyze_study(study, "lyapunov").identical(first)
    nndyn.record(nndyn.systems.henon(), kept, overwrite=True, **MAP).close()
    assert analyze_study(study, "lyapunov").identical(first)


def test_results_that_cannot_be_kept_are_given_with_a_warning(study, monkeypatch):
    first = analyze_study(study, "lyapunov")
    for kept in (study / "results").iterdir():
        kept.unlink()
    (study / "results").rmdir()

    def refuse(*args, **options):
        raise StoreError("cannot write x.nc: No space left on device")

    monkeypatch.setattr("nndyn.store.save_result", refuse)
    with pytest.warns(UserWarning, match=r"results of lyapunov are not kept: cannot write x.nc"):
        assert analyze_study(study, "lyapunov").identical(first)


def test_runs_that_are_not_there_or_damaged_are_left_out_with_a_warning(study):
    whole = analyze_study(study, "lyapunov")
    (study / "cells/r=3.9_seed=1.nc").unlink()
    damaged = study / "cells/r=4_seed=0.nc"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-100])
    result = analyze_study(study, "lyapunov")
    warnings = json.loads(result.attrs["warnings"])
    assert any("r=3.9_seed=1.nc" in w and "missing" in w for w in warnings)
    assert any("r=4_seed=0.nc" in w and "is cut off" in w for w in warnings)
    assert str(result["cell_status"].sel(r=4.0, seed=0).item()) == "damaged"
    assert np.isnan(result["cell_lyapunov_max"].sel(r=3.9, seed=1))
    kept = result["cell_lyapunov_max"].sel(r=3.5)
    assert kept.equals(whole["cell_lyapunov_max"].sel(r=3.5))


def test_a_flipped_byte_is_a_warning_until_the_file_is_restored(study, monkeypatch):
    whole = analyze_study(study, "lyapunov")
    file = study / "cells/r=4_seed=0.nc"
    content = file.read_bytes()
    with nndyn.open(file) as recording:
        needle = recording["distance_l2"].values[20:40].tobytes()[64:96]
    assert needle in content
    file.write_bytes(content.replace(needle, needle[:-1] + bytes([needle[-1] ^ 1])))
    for kept in (study / "results").iterdir():
        kept.unlink()
    result = analyze_study(study, "lyapunov")
    assert any("checksum does not match" in w for w in json.loads(result.attrs["warnings"]))
    file.write_bytes(content)
    assert analyze_study(study, "lyapunov").identical(whole)


def test_a_study_without_any_result_says_why(study, tmp_path):
    with pytest.raises(DataError, match=r"exploration has a result on no run .*keeps no states"):
        analyze_study(study, "exploration")
    logistic(tmp_path / "t", r=[4.0], seeds=1)
    (tmp_path / "t/cells/r=4_seed=0.nc").unlink()
    with pytest.raises(DataError, match=r"lyapunov has a result on no run .*missing"):
        analyze_study(tmp_path / "t", "lyapunov")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 1}, r"lyapunov has no option 'radius'; known: distance"),
        ({"along": "lr"}, r"along is 'lr', expected a swept option with numbers: r"),
        ({"confidence": 2.0}, r"confidence is 2.0"),
    ],
)
def test_wrong_options_are_refused(study, options, message):
    with pytest.raises(UsageError, match=message):
        analyze_study(study, "lyapunov", **options)


def test_a_study_is_looked_at_along_numbers_and_repeated_for_steps_and_flags(tmp_path):
    axes = {"r": [3.6, 3.9], "steps": [100, 200], "pairs": [False, True]}
    index = logistic(tmp_path / "s", seeds=2, **axes)
    result = index.nndyn.lyapunov()
    assert result.attrs["along"] == "r"
    assert result["onset"].sizes == {"steps": 2, "pairs": 2}
    alone = logistic(tmp_path / "t", r=[3.6, 3.9], steps=100).nndyn.lyapunov()
    part = result.sel(steps=100, pairs=False)
    for name in ("cell_lyapunov_max", "cell_growth"):
        np.testing.assert_array_equal(part[name].values, alone[name].values)
    with pytest.raises(UsageError, match="expected a swept option with numbers: r"):
        index.nndyn.lyapunov(along="steps")


def test_learning_knows_how_long_runs_were_where_steps_are_swept(tmp_path):
    options = {**TRAINING, "lr": [0.5, 2.0], "steps": [20, 40]}
    result = nndyn.sweep("training", tmp_path / "s", seeds=2, **options).nndyn.learning()
    assert result["fastest"].sizes == {"steps": 2}


def test_a_study_knows_how_far_apart_its_runs_were_evaluated(tmp_path):
    options = {**TRAINING, "lr": [0.5, 2.0], "steps": 60, "evaluate": 30}
    result = nndyn.sweep("training", tmp_path / "s", seeds=2, **options).nndyn.learning(
        threshold=0.5
    )
    times, earliest = result["cell_training_time"], result["cell_training_time_earliest"]
    later = times.values > 0
    assert later.any()
    np.testing.assert_array_equal(earliest.values[later], times.values[later] - 29)
    assert "evaluations up to 30 steps apart" in result.attrs["warnings"]


def test_a_study_knows_with_what_its_runs_were_recorded(tmp_path):
    axes = {"r": [3.6, 3.9], "rescale": [5, 10]}
    logistic(tmp_path / "s", seeds=1, tangents=1, **axes)
    folder = Folder(tmp_path / "s")
    cells = module.cells_of(folder, folder.design(), "lyapunov", {}, workers=1)
    row = row_of(cells, folder.design(), "r", {"rescale": 10})
    recorded = json.loads(row.attrs["options"])
    assert (recorded["rescale"], recorded["tangents"]) == (10, 1)


def test_growth_not_told_from_a_neutral_path_reaches_the_study(tmp_path, monkeypatch):
    options = {**TRAINING, "lr": [0.5, 8.0], "steps": 60, "replicas": 3}
    index = nndyn.sweep("training", tmp_path / "s", seeds=2, **options)
    plain, real = index.nndyn.lyapunov(), module._one
    for kept in (tmp_path / "s/results").iterdir():
        kept.unlink()

    def tested(*args):
        found = real(*args)
        p = np.float64(0.5 if "seed=0" in args[-1] else 0.001)
        found.variables["growth_p"] = ((), p, {"units": "1"})
        return found

    monkeypatch.setattr(module, "_one", tested)
    found = analyze_study(tmp_path / "s", "lyapunov", workers=1)
    assert plain["growing_share"].values[-1] == 1.0
    assert found["growing_share"].values[-1] == 0.5
    assert int(found["seeds_unconfirmed"]) == 1
    assert found["unconfirmed"].values.tolist() == [0, 1]


def test_what_an_index_has_not_is_refused(study):
    index = nndyn.open_study(study)
    with pytest.raises(UsageError, match=r"this is a part of the index of .*nndyn.open_study gave"):
        index.sel(seed=[0]).nndyn.lyapunov()
    with pytest.raises(UsageError, match="layers are of recordings, and this is the index"):
        index.nndyn.layer("0.weight")
    with pytest.raises(AttributeError, match="no analyzer 'lyapunow'; known: autocorrelation"):
        index.nndyn.lyapunow()


def test_an_option_with_the_name_of_a_result_is_refused(tmp_path):
    def mine(growth):
        return nndyn.systems.logistic(r=growth)

    index = nndyn.sweep(mine, tmp_path / "s", growth=[3.9, 4.0], **MAP)
    with pytest.raises(UsageError, match="growth is swept, and a result of that name cannot"):
        index.nndyn.lyapunov()


@pytest.mark.slow
def test_several_processes_find_the_same(study, monkeypatch):
    first = analyze_study(study, "lyapunov", workers=1)
    for kept in (study / "results").iterdir():
        kept.unlink()
    monkeypatch.setattr(module, "_WORTH", -1.0)
    told = []
    again = analyze_study(study, "lyapunov", workers=2, progress=lambda *p: told.append(p))
    assert again.identical(first)
    assert told == [(n, 6) for n in range(1, 7)]
