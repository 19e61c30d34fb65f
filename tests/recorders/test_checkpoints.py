"""Folders of checkpoints as recordings."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import DataError, InstallationError, UsageError
from nndyn.store import verify
from nndyn.validity import validate
from recorders.apart import checkpoints, together
from tests.recorders.apart import same_exponent

NAMES = {"0.weight": (8, 4), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training that grows for a while; do not change it."""
    path = tmp_path_factory.mktemp("run") / "run.nc"
    system = nndyn.Training("mlp:4-8-3", "iris", lr=20.0, seed=1)
    with nndyn.record(system, path, steps=80, replicas=2) as found:
        yield found


def save_torch(path, state):
    torch.save({name: torch.from_numpy(x) for name, x in state.items()}, path.with_suffix(".pt"))


def save_npz(path, state):
    np.savez(path.with_suffix(".npz"), **state)


def save_compressed(path, state):
    np.savez_compressed(path.with_suffix(".npz"), **{k: x.T.copy().T for k, x in state.items()})


def save_safetensors(path, state):
    saving = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    saving.save_file(dict(state), path.with_suffix(".safetensors"))


def save_shards(path, state):
    """In two files with an index, as large models come; the parts lie beside it."""
    index = {}
    for i, names in enumerate((list(NAMES)[:3], list(NAMES)[3:])):
        part = path.parent / f"{path.stem}-{i + 1:05d}-of-00002.bin"
        torch.save({name: torch.from_numpy(state[name]) for name in names}, part)
        index |= dict.fromkeys(names, part.name)
    name = path.parent / f"{path.stem}.bin.index.json"
    name.write_text(json.dumps({"metadata": {}, "weight_map": index}))


def states(run, replica, every=1):
    """Return the states of a replica by step, as arrays by name."""
    for t in range(0, run.sizes["time"], every):
        row, found, start = run["state"].values[t, replica], {}, 0
        for name, shape in NAMES.items():
            size = int(np.prod(shape))
            found[name] = row[start : start + size].reshape(shape).copy()
            start += size
        yield t, found


def folders(run, where, save, every=1):
    """Write the checkpoints of each replica; return the folders."""
    made = []
    for r in range(run.sizes["replica"]):
        made.append(where / f"run{r}")
        made[-1].mkdir()
        for t, state in states(run, r, every):
            save(made[-1] / f"step{t}", state)
    return made


SAVERS = [save_torch, save_npz, save_compressed, save_safetensors, save_shards]


@pytest.mark.parametrize("save", SAVERS)
def test_checkpoints_of_every_step_are_the_recorded_run(run, tmp_path, save):
    reference, *copies, control = folders(run, tmp_path, save)
    (reference / "log.txt").write_text("what else lies there")
    found = nndyn.from_checkpoints(reference, copies, tmp_path / "r.nc", control=control)
    validate(found)
    assert verify(tmp_path / "r.nc").problems == ()
    for name in ("distance_l1", "distance_l2", "deviation_alignment", "step_length"):
        np.testing.assert_allclose(found[name], run[name], rtol=1e-12, err_msg=name)
    for name in ("role", "time", "diverged_at"):
        np.testing.assert_array_equal(found[name].values, run[name].values, err_msg=name)
    for name in NAMES:
        kept, recorded = (one.nndyn.layer(name).values for one in (found, run))
        np.testing.assert_array_equal(kept, recorded)
    assert sorted(found["parameter_name"].values) == sorted(NAMES)
    same_exponent(found, run.drop_vars(["rounding_distance", "floor_time"]))
    assert nndyn.lyapunov(found).attrs["verdict"] == nndyn.lyapunov(run).attrs["verdict"]
    found.close()


def test_distant_checkpoints_have_a_lower_bound_of_the_step_and_say_so(run, tmp_path):
    reference, *copies, control = folders(run, tmp_path, save_npz, every=10)
    with nndyn.from_checkpoints(reference, copies, tmp_path / "r.nc", control=control) as found:
        assert found["time"].values.tolist() == list(range(0, 81, 10))
        lengths = np.linalg.norm(np.diff(run["state"].values[::10], axis=0), axis=2) / 10
        np.testing.assert_allclose(found["step_length"][1:], lengths, rtol=1e-13)
        assert (found["step_length"][1:].values <= run["step_length"].values.max() + 1e-12).all()
        assert found["step_length"].attrs["bound"] == "lower"
        assert "lower bound" in found["step_length"].attrs["long_name"]
    options = {"control": control, "steps": [0, 1, 2, 3, 5, 8, 13, 21, 34], "overwrite": True}
    with nndyn.from_checkpoints(reference, copies, tmp_path / "r.nc", **options) as found:
        assert found["time"].values.tolist() == options["steps"]
    options["steps"] = 7
    with nndyn.from_checkpoints(reference, copies, tmp_path / "r.nc", **options) as found:
        assert found["time"].values[-1] == 56


def test_equal_copies_do_not_grow(run, tmp_path):
    reference, *_ = folders(run, tmp_path, save_npz)
    found = nndyn.from_checkpoints(reference, reference, tmp_path / "r.nc", control=reference)
    assert not found["distance_l2"].values.any()
    assert nndyn.lyapunov(found).attrs["verdict"] in ("regular", "unresolved")
    found.close()


@pytest.mark.parametrize("save", [save_torch, save_npz])
def test_no_more_than_a_part_of_a_state_is_held(run, tmp_path, monkeypatch, save):
    monkeypatch.setattr(together, "_BLOCK_BYTES", 2**10)
    monkeypatch.setattr(checkpoints, "_SMALL", 0)
    sizes = []
    read = checkpoints.Folder.read

    def noted(self, *place):
        found = read(self, *place)
        sizes.append(found.size)
        return found

    monkeypatch.setattr(checkpoints.Folder, "read", noted)
    reference, *copies, control = folders(run, tmp_path, save, every=20)
    found = nndyn.from_checkpoints(reference, copies, tmp_path / "r.nc", control=control)
    assert max(sizes) <= run.sizes["component"]
    np.testing.assert_array_equal(found["state"].values, run["state"].values[::20])
    np.testing.assert_allclose(found["distance_l2"], run["distance_l2"][::20], rtol=1e-11)
    found.close()


def two(where, save, change=None, **names):
    """Write a reference and a copy of two small states; `change` makes the last one of the copy."""
    rng = np.random.default_rng(0)
    made = [where / name for name in ("ref", "copy")]
    for folder in made:
        folder.mkdir()
        for t in (2, 10):
            state = {"w": rng.random((2, 3)), "b": rng.random(2), **names}
            if change is not None and t == 10 and folder.name == "copy":
                state = change(state)
            save(folder / f"step{t}", state)
    return made


def test_names_are_in_the_order_people_count_in(tmp_path):
    reference, copy = two(tmp_path, save_npz)
    with pytest.warns(UserWarning, match="no control"):
        found = nndyn.from_checkpoints(reference, [copy], tmp_path / "r.nc")
    assert found["time"].values.tolist() == [2, 10]
    files = [reference / "step10.npz", reference / "step2.npz"]
    with pytest.warns(UserWarning, match="no control"):
        again = nndyn.from_checkpoints(files, [files[::-1]], tmp_path / "s.nc")
    np.testing.assert_array_equal(again["state"].values[:, 0], found["state"].values[:, 0])
    found.close()
    again.close()


@pytest.mark.filterwarnings("ignore:.*no control")
def test_integers_and_tied_weights_are_left_out_and_said(tmp_path):
    made = []
    for r in range(2):
        made.append(tmp_path / f"run{r}")
        made[-1].mkdir()
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
        model.tied = model[2].weight
        for t in range(3):
            torch.save({"model": model.state_dict(), "step": t}, made[r] / f"{t:03d}.ckpt")
    with pytest.warns(UserWarning, match=r"left out.*num_batches_tracked"):
        found = nndyn.from_checkpoints(made[0], made[1:], tmp_path / "r.nc", key="model")
    names = found["parameter_name"].values.tolist()
    assert "1.running_mean" in names
    assert "1.num_batches_tracked" not in names
    assert ("tied" in names) != ("2.weight" in names)
    system = json.loads(found.attrs["manifest"])["system"]
    assert "1.num_batches_tracked" in system["left_out"]
    assert found["state"].dtype == np.float32
    found.close()


@pytest.mark.filterwarnings("ignore:.*no control")
def test_half_precision_is_kept_exactly(tmp_path):
    def save(path, state):
        tensors = {name: torch.from_numpy(x).bfloat16() for name, x in state.items()}
        torch.save(tensors, path.with_suffix(".pt"))

    reference, copy = two(tmp_path, save)
    found = nndyn.from_checkpoints(reference, copy, tmp_path / "r.nc")
    kept = torch.load(reference / "step2.pt")["w"].float().numpy().ravel()
    np.testing.assert_array_equal(found["state"].values[0, 0, :6], kept)
    assert json.loads(found.attrs["manifest"])["system"]["dtypes"] == ["bfloat16"]
    found.close()


@pytest.mark.filterwarnings("ignore:.*no control")
@pytest.mark.parametrize("key", ["trainer.model", "trainer"])
def test_a_key_leads_to_the_state(tmp_path, key):
    def save(path, state):
        tensors = {name: torch.from_numpy(x) for name, x in state.items()}
        inner = {"model": tensors} if key == "trainer.model" else tensors
        torch.save({"trainer": inner, "optimizer": {"exp": tensors}}, path.with_suffix(".pt"))

    reference, copy = two(tmp_path, save)
    found = nndyn.from_checkpoints(reference, [copy], tmp_path / "r.nc", key=key)
    assert found["parameter_name"].values.tolist() == ["w", "b"]
    found.close()
    with pytest.raises(DataError, match=r"has trainer, optimizer; say .* `key='trainer'`"):
        nndyn.from_checkpoints(reference, [copy], tmp_path / "s.nc")
    with pytest.raises(DataError, match="has no key 'net'; it has trainer, optimizer"):
        nndyn.from_checkpoints(reference, [copy], tmp_path / "s.nc", key="net")


@pytest.mark.filterwarnings("ignore:.*no control")
def test_folders_of_a_trainer_are_checkpoints(tmp_path):
    for r in range(2):
        for t in (500, 1000):
            folder = tmp_path / f"run{r}" / f"checkpoint-{t}"
            folder.mkdir(parents=True)
            torch.save({"w": torch.rand(3)}, folder / "pytorch_model.bin")
            torch.save({"exp_avg": torch.rand(3)}, folder / "optimizer.pt")
            (folder / "trainer_state.json").write_text("{}")
    found = nndyn.from_checkpoints(tmp_path / "run0", [tmp_path / "run1"], tmp_path / "r.nc")
    assert found["time"].values.tolist() == [500, 1000]
    found.close()
    files = [
        [tmp_path / f"run{r}" / f"checkpoint-{t}" / "pytorch_model.bin" for t in (500, 1000)]
        for r in range(2)
    ]
    found = nndyn.from_checkpoints(files[0], files[1:], tmp_path / "s.nc")
    assert found["time"].values.tolist() == [500, 1000]
    found.close()


@pytest.mark.filterwarnings("ignore:.*no control")
def test_a_state_that_is_not_finite(tmp_path):
    reference, copy = two(tmp_path, save_npz, lambda state: state | {"b": np.full(2, np.nan)})
    with nndyn.from_checkpoints(reference, copy, tmp_path / "r.nc") as found:
        assert found["diverged_at"].values.tolist() == [-1, 10]
    with nndyn.from_checkpoints(copy, reference, tmp_path / "s.nc") as found:
        assert (found.attrs["status"], found.sizes["time"]) == ("stopped", 1)
    for folder in (reference, copy):
        save_npz(folder / "step0", {"w": np.full((2, 3), np.nan), "b": np.zeros(2)})
    with pytest.raises(DataError, match="ref is not finite at its first time"):
        nndyn.from_checkpoints(reference, copy, tmp_path / "t.nc")
    assert not (tmp_path / "t.nc").exists()


def text(path, state):
    path.with_suffix(".npz").write_text("no archive")


def objects(path, state):
    np.savez(path.with_suffix(".npz"), **state, o=np.array([{}], dtype=object))


def pickled(path, state):
    torch.save(nn.Linear(2, 2), path.with_suffix(".pt"))


def no_pickle(path, state):
    path.with_suffix(".pt").write_bytes(b"no pickle")


def cut_short(path, state):
    save_torch(path, state)
    file = path.with_suffix(".pt")
    file.write_bytes(file.read_bytes()[:300])


def a_list(path, state):
    torch.save([torch.zeros(3)], path.with_suffix(".pt"))


def integers(path, state):
    np.savez(path.with_suffix(".npz"), n=np.arange(3))


def lying(path, state):
    """As long in its archive as it says, and not as its header does."""
    np.savez(path.with_suffix(".npz"), w=np.zeros(99))
    file = path.with_suffix(".npz")
    file.write_bytes(file.read_bytes().replace(b"(99,)", b"(98,)"))


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (text, r"step2\.npz is no \.npz file; save arrays with numpy\.savez"),
        (objects, r"step2\.npz: o has objects, which only a pickle holds"),
        (pickled, r"step2\.pt is a pickle that holds more than tensors.*torch\.save\(model\.state"),
        (no_pickle, r"step2\.pt is no file that torch\.save wrote"),
        (cut_short, r"step2\.pt is damaged"),
        (a_list, r"holds an object of type list, expected a state by name"),
        (integers, "has no tensor of floating-point numbers; it has n"),
        (lying, r"w is (not as long as it says: damaged|no array that numpy saved)"),
    ],
)
def test_files_that_are_no_states_are_refused(tmp_path, save, message):
    reference, copy = two(tmp_path, save)
    with pytest.raises(DataError, match=message) as caught:
        nndyn.from_checkpoints(reference, [copy], tmp_path / "r.nc")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r.nc").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"w": s["w"]}, r"copy/step10\.npz has no b, which .*ref/step2\.npz has"),
        (lambda s: s | {"c": s["b"]}, r"copy/step10\.npz has c, which .*ref/step2\.npz has not"),
        (lambda s: s | {"b": np.zeros(3)}, r"b is float64 \(3,\), float64 \(2,\) in .*step2"),
        (lambda s: s | {"b": np.zeros(2, "f4")}, r"step10\.npz: b is float32 \(2,\), float64"),
    ],
)
def test_other_layouts_are_refused_with_file_and_key(tmp_path, change, message):
    reference, copy = two(tmp_path, save_npz, change)
    with pytest.raises(DataError, match=message):
        nndyn.from_checkpoints(reference, [copy], tmp_path / "r.nc")
    assert not (tmp_path / "r.nc").exists()


def test_what_names_and_steps_do_not_say_is_asked_for(tmp_path):
    reference, copy = two(tmp_path, save_npz)
    target = tmp_path / "r.nc"
    one = [reference / "step2.npz"]
    for given, error, message in (
        ((reference, []), UsageError, "copies is empty"),
        ((one, [one]), DataError, "reference has 1 checkpoint, expected at least 2"),
        ((tmp_path / "none", [copy]), UsageError, "none does not exist; give the folder"),
        ((one[0], [copy]), UsageError, "is a file; give the folder of its checkpoints"),
        (([*one, "gone.npz"], [copy]), UsageError, r"gone\.npz does not exist"),
        ((5, [copy]), UsageError, "reference is 5, expected a folder or a list"),
        ((one * 2, [copy]), UsageError, "are both of step 2"),
    ):
        with pytest.raises(error, match=message):
            nndyn.from_checkpoints(*given, target)
    for steps, message in (
        ([0], "steps has 1 entries"),
        ([1, 1], r"steps\[1\] is 1 after 1, expected steps to increase"),
        (0, "steps is 0, expected steps between"),
        (["a", "b"], r"steps\[0\] is 'a'"),
    ):
        with pytest.raises(UsageError, match=message):
            nndyn.from_checkpoints(reference, [copy], target, steps=steps)
    (copy / "step10.npz").rename(copy / "step11.npz")
    with pytest.raises(DataError, match=r"step11\.npz is of step 11, step10\.npz of the reference"):
        nndyn.from_checkpoints(reference, [copy], target)
    save_npz(copy / "step10", {"w": np.zeros((2, 3)), "b": np.zeros(2)})
    with pytest.raises(DataError, match="copy has 3 checkpoints, the reference 2"):
        nndyn.from_checkpoints(reference, [copy], target)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no checkpoints, \.pt, .*; it has nothing"):
        nndyn.from_checkpoints(reference, [tmp_path / "empty"], target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[]", "is no index of a state in several files"),
        ("{", "is no index of a state"),
        ('{"weight_map": {"w": "../a.bin"}}', "expected the name of a file beside it"),
        ('{"weight_map": {"w": 3}}', "w is in 3, expected the name"),
        ('{"weight_map": {"w": "gone.bin"}}', r"its file gone\.bin is missing"),
        ('{"weight_map": {"w": "a.bin", "v": "a.bin"}}', r"a\.bin has no v, which"),
    ],
)
def test_an_index_that_does_not_hold_is_refused(tmp_path, index, message):
    torch.save({"w": torch.zeros(2)}, tmp_path / "a.bin")
    torch.save({"w": torch.zeros(2)}, tmp_path.parent / "a.bin")
    files = []
    for t in (1, 2):
        files.append(tmp_path / f"step{t}.bin.index.json")
        files[-1].write_text(index)
    with pytest.raises(DataError, match=message):
        nndyn.from_checkpoints(files, [files], tmp_path / "r.nc")


def test_a_missing_package_is_named_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    for t in (1, 2):
        (tmp_path / f"{t}.safetensors").write_bytes(b"")
    with pytest.raises(InstallationError, match=re.escape("nndyn[safetensors]")):
        nndyn.from_checkpoints(tmp_path, [tmp_path], tmp_path / "r.nc")


def test_a_damaged_file_of_safetensors_is_refused(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    for t in (1, 2):
        (tmp_path / f"{t}.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(DataError, match=r"1\.safetensors is damaged, or no \.safetensors file"):
        nndyn.from_checkpoints(tmp_path, [tmp_path], tmp_path / "r.nc")
