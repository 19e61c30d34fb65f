"""Command lines that are wrong, each with the one line that answers it."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nndyn as package
from nndyn.cli import nndyn
from nndyn.cli.lazy import run

IRIS = "record training --data iris --model mlp:4-8-3 --steps 5 -o a.nc"
LOGISTIC = "record map logistic --steps 10 -o a.nc"
SWEEP = "sweep training --data iris --model mlp:4-5-3 --steps 5 -o s"
ONSET = "onset --data iris --model mlp:4-8-3"

#: A wrong line, the exit code, and words of the answer.
MISTAKES = [
    # commands
    ("analyse run.nc", 2, "did you mean 'analyze'?"),
    ("lyapunov run.nc", 2, "did you mean 'nndyn analyze lyapunov run.nc'?"),
    ("henon", 2, "did you mean 'nndyn record map henon'?"),
    ("training", 2, "did you mean 'nndyn record training'?"),
    ("run.nc", 2, "did you mean 'nndyn info run.nc'?"),
    ("help", 2, "did you mean 'explain'?"),
    ("record lorenz63 --steps 10 -o a.nc", 2, "did you mean 'nndyn record flow lorenz63'?"),
    ("record lorentz63", 2, "did you mean 'nndyn record flow lorenz63'?"),
    ("record digits", 2, "did you mean 'nndyn record training --data digits'?"),
    ("record mlp:4-8-3", 2, "did you mean 'nndyn record training --model mlp:4-8-3'?"),
    ("record x.csv", 2, "did you mean 'nndyn record series x.csv'?"),
    ("record network", 2, "did you mean 'training'?"),
    ("sweep lorenz63", 2, "did you mean 'nndyn sweep flow lorenz63'?"),
    ("sweep series x.csv", 2, "known: training, map, flow, gd"),
    ("analyze run.nc", 2, "did you mean 'nndyn analyze lyapunov run.nc'?"),
    ("analyze run.nc recurrence", 2, "did you mean 'nndyn analyze recurrence run.nc'?"),
    ("analyze lyapunv run.nc", 2, "did you mean 'lyapunov'?"),
    ("analyze mle run.nc", 2, "did you mean 'lyapunov'?"),
    ("analyze lyapunov", 2, "Missing argument 'PATH'"),
    ("analyze lyapunov run.nc foreign.nc", 2, "unexpected extra argument (foreign.nc)"),
    ("plot run.nc", 2, "did you mean 'nndyn plot lyapunov run.nc'?"),
    ("plot rqa run.nc", 2, "did you mean 'recurrence'?"),
    ("plot study -o f.png", 2, "Missing argument 'PATH'"),
    ("plot recurrence study -o f.png", 2, "of a study there are nndyn plot study"),
    ("plot lyapunov run.nc -o f.docx", 2, ".png, .pdf or .svg"),
    ("plot lyapunov run.nc", 2, "Missing option '-o'"),
    ("systems henno", 2, "did you mean 'henon'?"),
    ("explain chaotik", 2, "did you mean 'chaotic'?"),
    # options by other names
    (f"{IRIS} --learning-rate 0.1", 2, "did you mean --lr?"),
    (f"{IRIS} -lr 0.1", 2, "No such option -lr; did you mean --lr?"),
    (f"{IRIS} --epochs 5", 2, "did you mean --steps? (a step is one batch: an epoch of S samples"),
    (f"{IRIS} --hidden 8", 2, "did you mean --model?"),
    (f"{IRIS} --optimiser adam", 2, "did you mean --optimizer?"),
    (f"{IRIS} --random-state 1", 2, "did you mean --seed?"),
    (f"{IRIS} --noise 1e-8", 2, "did you mean --epsilon?"),
    (f"{IRIS} --n-jobs 2", 2, "--workers is an option of 'nndyn sweep training'"),
    (f"{IRIS} --dt 0.1", 2, "it is an option of 'nndyn record flow'"),
    (f"{LOGISTIC} --r 4", 2, "it is a parameter: --param r=4"),
    (f"{LOGISTIC} --r=3.9", 2, "it is a parameter: --param r=3.9"),
    (f"{LOGISTIC} --lr 0.1", 2, "it is an option of 'nndyn record training'"),
    ("record flow lorenz63 --delta-t 0.01", 2, "did you mean --dt?"),
    ("record series x.csv --sampling-rate 10 -o a.nc", 2, "did you mean --interval?"),
    ("analyze recurrence run.nc --tau 3", 2, "did you mean --delay?"),
    ("analyze lyapunov run.nc --steps 5", 2, "it is an option of 'nndyn record training'"),
    (f"{ONSET} --parallel 4", 2, "did you mean --workers?"),
    # names and files that options take
    (f"{IRIS} --optimizer adma", 2, "did you mean 'adam'"),
    (f"{IRIS} --optimizer lamb", 2, "expected 'sgd', 'adam', 'adamw', 'rmsprop', 'nadam', 'ada"),
    (f"{IRIS} --model mpl:4-8-3", 2, "did you mean 'mlp:4-8-3'?"),
    (f"{IRIS} --model 4,8,3", 2, "did you mean 'mlp:4-8-3'?"),
    (f"{IRIS} --model resnet18", 2, "give mlp: and the widths from input to output"),
    (f"{IRIS} --model mlp:5-8-3", 2, "x has 4 features and the model takes 5"),
    (f"{IRIS} --model mlp:4-8-2", 2, "the model has 2 outputs"),
    (f"{IRIS} --model own.py:Net", 2, "name the module: own:Net"),
    (f"{IRIS} --data iriss", 2, "did you mean 'iris'?"),
    (f"{IRIS} --data none.csv", 2, "none.csv does not exist"),
    (f"{IRIS} --activation rely", 2, "did you mean 'relu'?"),
    (f"{IRIS} --loss ce", 2, "did you mean 'cross-entropy'?"),
    (f"{IRIS} --init he", 2, "did you mean 'kaiming'?"),
    (f"{IRIS} --schedule cosin:5", 2, "did you mean 'cosine:T'?"),
    (f"{IRIS} --dtype double", 2, "did you mean 'float64'?"),
    (f"{IRIS} --device gpu", 2, "did you mean 'cuda'?"),
    (f"{IRIS} --perturb biases", 2, "'biases' is not one of 'weights', 'all'"),
    (f"{IRIS} --store every", 2, "'every:J,sketch:K' or 'every:K' with K above 0"),
    ("record map logistik --steps 10 -o a.nc", 2, "did you mean 'logistic'?"),
    ("record map lorenz63 --steps 10 -o a.nc", 2, "lorenz63 is a flow"),
    (f"{LOGISTIC} --param r:4", 2, "expected NAME=VALUE"),
    (f"{LOGISTIC} --param r=four", 2, "parameter r is 'four', expected a number"),
    ("record map standard --param k=1 --steps 10 -o a.nc", 2, "did you mean 'K'?"),
    (f"{IRIS} --config options.toml", 2, "unknown option 'learning_rate'", "did you mean 'lr'?"),
    (f"{LOGISTIC} --config broken.toml", 2, "broken.toml is not TOML"),
    ("record series words.csv -o a.nc", 1, "line 2, column 'a' has text, 'yes'"),
    ("record series x.csv --column X -o a.nc", 2, "did you mean 'x'?"),
    ("record series folder -o a.nc", 2, "folder is none of .csv"),
    # numbers
    (f"{IRIS} --lr -1", 2, "lr is -1.0, expected a finite number above 0"),
    (f"{IRIS} --lr 0,1", 2, "'0,1', expected a number such as 0.1, with a point", "nndyn sweep"),
    (f"{IRIS} --momentum 1.5", 2, "expected a number in [0, 1)"),
    (f"{IRIS} --batch-size 0", 2, "from 1 to 120, the number of training samples"),
    (f"{IRIS} --betas 0.9 --seed 1", 2, "'--betas'", "it takes 2 values"),
    (f"{LOGISTIC} --steps 1.5", 2, "'1.5', expected a whole number such as 1000 or 1e3"),
    (f"{LOGISTIC} --steps nan", 2, "'nan', expected a whole number"),
    (f"{LOGISTIC} --steps -5", 2, "steps is -5, expected a whole number, 1 or more"),
    (f"{LOGISTIC} --epsilon nan", 2, "epsilon is nan, expected a finite number above 0"),
    (f"{LOGISTIC} --pairs", 2, "pairs needs an even number of replicas, got 5"),
    (f"{LOGISTIC} --tangents 5", 2, "expected at most 1, the dimension of the phase"),
    ("record flow lorenz63 --steps 10 --dt 0 -o a.nc", 2, "dt is 0.0, expected a finite number"),
    ("analyze lyapunov run.nc --confidence 95", 2, "95 % is 0.95"),
    ("analyze learning run.nc --threshold 93", 2, "93 % is 0.93"),
    ("analyze lyapunov run.nc --window 100:200", 2, "the recording is from 0 to 60 step"),
    ("analyze lyapunov run.nc --window 30", 2, "expected two times such as 10:50"),
    (
        "analyze recurrence run.nc --radius -1",
        2,
        "radius is -1.0, expected a finite number, 0 or more",
    ),
    # files
    (f"{LOGISTIC} -o a.csv", 2, "a.csv will be a netCDF file; name it a.nc"),
    (f"{LOGISTIC} -o folder", 2, "folder is a folder; name a file in it"),
    (f"{LOGISTIC} -o no/a.nc", 2, "folder no does not exist; create it first"),
    (f"{LOGISTIC} -o run.nc", 2, "run.nc exists; choose another name, or overwrite or resume it"),
    ("analyze lyapunov none.nc", 2, "none.nc does not exist; check the name"),
    ("analyze lyapunov text.nc", 4, "text.nc is not an nndyn recording"),
    ("analyze lyapunov foreign.nc", 4, "foreign.nc is not an nndyn recording"),
    ("analyze lyapunov cut.nc", 4, "cut.nc is cut off: expected"),
    ("analyze lyapunov folder", 2, "folder has no study.json"),
    ("analyze lyapunov run.nc --along lr", 2, "--along is of studies"),
    ("analyze lyapunov run.nc -o run.nc", 2, "nothing was written; choose another name"),
    ("analyze lyapunov run.nc -o result.json", 2, "name it result.nc"),
    ("info study --config", 2, "study is a study; --config is of recordings"),
    ("verify none.nc", 2, "none.nc does not exist"),
    ("demo --output run.nc", 2, "'run.nc' is a file"),
    # studies
    (f"{SWEEP} --lr 0.5", 2, "nothing is swept: which option is to be a grid"),
    (f"{SWEEP} --lr 0.5:1", 2, "expected a number, A,B,C, LO:HI:N or LO:HI:Nlog"),
    (f"{SWEEP} --lr 0.5,1 --workers 0", 2, "workers is 0, expected a whole number, 1 or more"),
    (f"{SWEEP} --lr 0.5,1 --task 3/2", 2, "expected I/N with I from 1 to N"),
    (f"{SWEEP} --lr 0.5,1 -o run.nc", 2, "run.nc is a file; name a folder"),
    ("analyze lyapunov study --along momentum", 2, "expected a swept option with numbers: lr"),
    (f"{ONSET} --lr 0.1", 2, "expected LO:HI such as 0.1:10"),
    (f"{ONSET} --budget 10", 2, "900 or more: 3 runs of 300"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory, recording_path):
    """A folder with a recording, a study, and files that are none."""
    path = tmp_path_factory.mktemp("mistakes")
    shutil.copyfile(recording_path, path / "run.nc")
    options = {"model": "mlp:4-5-3", "data": "iris", "steps": 3, "store": "distances"}
    package.sweep("training", path / "study", lr=[0.5, 1.0], replicas=2, **options)
    whole = recording_path.read_bytes()
    (path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    (path / "text.nc").write_text("time,loss\n0,1\n")
    xr.Dataset({"x": ("t", [1.0])}).to_netcdf(path / "foreign.nc")
    np.savetxt(
        path / "x.csv", np.arange(20.0).reshape(10, 2), delimiter=",", header="t,x", comments=""
    )
    (path / "words.csv").write_text("a,b\nyes,no\nno,yes\n")
    (path / "options.toml").write_text("learning-rate = 0.1\n")
    (path / "broken.toml").write_text("steps = = 1\n")
    (path / "folder").mkdir()
    return path


def test_there_are_eighty_of_them():
    assert len({line for line, *_ in MISTAKES}) >= 80


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[0])
def test_a_mistake_has_one_answer(place, capsys, monkeypatch, mistake):
    line, expected, *words = mistake
    monkeypatch.chdir(place)
    before = sorted(Path().rglob("*"))
    code = run(nndyn, shlex.split(line))
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (expected, "", 1), err
    assert err.startswith("nndyn: ")
    for word in words:
        assert word in err
    assert sorted(Path().rglob("*")) == before


def test_a_study_of_one_run_is_made_where_it_is_asked_for(place, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(nndyn, shlex.split(f"{SWEEP} --seeds 1")) == 0
    assert capsys.readouterr().out == "s: 1 run (1 seed): 1 complete\n"
