"""A function that a script or a notebook defines makes its systems in other processes too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: A script whose function is in ``__main__``, and is nested, as none that a process could import.
SCRIPT = """
import sys
import torch
from torch import nn
import nndyn

def maker(classes):
    def make(lr, seed, width=3):
        torch.manual_seed(seed)
        x = torch.randn(20, 4, dtype=torch.float64)
        y = torch.arange(20) % classes
        model = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, classes)).double()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)

        def step():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        return nndyn.Loop(step, model=model, stateful={"optimizer": optimizer})
    return make

RUNS = {"steps": 30, "replicas": 2, "width": 4}

def main(make):
    def find(name, **ways):
        lines = []
        call = {"lr": (0.5, 50.0), "seeds": 3, "precision": 3.0, "say": lines.append}
        return nndyn.find_onset(make, path=name, **call, **RUNS, **ways), len(lines)

    def sweep(name, **ways):
        index = nndyn.sweep(make, name, lr=[0.5, 5.0], seeds=2, **RUNS, **ways)
        return [str(status) for status in index["status"].values.ravel()]

    def distances(folder, **at):
        index = nndyn.open_study(folder)
        with nndyn.open(str(index["path"].sel(at).item())) as run:
            return run["distance_l2"].values

    def last(folder):
        index = nndyn.open_study(folder)
        done = index["status"].sel(seed=0) == "complete"
        return distances(folder, lr=float(index["lr"].values[done.values][-1]), seed=0)

    shared, rounds = find("shared", workers=2)
    again, further = find("shared")
    alone, _ = find("alone")
    print(rounds > 0, further, again.equals(shared), (last("alone") == last("shared")).all())
    print(shared["onset"].item() == alone["onset"].item())
    print(*sweep("swept", workers=2))
    print(*sweep("tasks", task=(1, 2)))
    print(*sweep("tasks", task=(2, 2)))
    at = {"lr": 5.0, "seed": 1}
    print((distances("swept", **at) == distances("tasks", **at)).all())
"""
GUARDED = 'if __name__ == "__main__":\n    main(maker(3))\n'


def run(folder, text):
    (folder / "script.py").write_text(text)
    root = str(Path(__file__).parents[3])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_nested_function_of_a_script_is_searched_and_swept_by_processes(tmp_path):
    process = run(tmp_path, SCRIPT + GUARDED)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [
        "True 0 True True",
        "True",
        "complete complete complete complete",
        "complete complete missing missing",
        "complete complete complete complete",
        "True",
    ]


@pytest.mark.slow
def test_a_script_that_every_process_would_run_is_told_how_to_ask_for_them(tmp_path):
    process = run(tmp_path, SCRIPT + "main(maker(3))\n")
    assert process.returncode == 1
    assert "in a script ask for `workers` below `if __name__ ==" in process.stderr.splitlines()[-1]
