"""Studies that are recorded in a moment, and how two of them are compared."""

import numpy as np

import nndyn

#: A training and a map of few steps; their grids are the callers'.
TRAINING = {"model": "mlp:4-8-3", "data": "iris", "steps": 30, "replicas": 2, "store": "distances"}
MAP = {"steps": 200, "replicas": 2, "rescale": 10, "store": "distances"}


def logistic(path, r=(3.5, 3.9, 4.0), seeds=2, **options):
    """Sweep the logistic map."""
    return nndyn.sweep("logistic", path, r=list(r), seeds=seeds, **{**MAP, **options})


def values(path):
    """All arrays of a recording."""
    with nndyn.open(path) as recording:
        return {str(name): variable.values for name, variable in recording.variables.items()}


def arrays(index):
    """All arrays of all recordings of a study, by the names of their files."""
    paths = [str(path) for path in index["path"].values.ravel()]
    return {path.rsplit("/", 1)[-1]: values(path) for path in paths}


def assert_same_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def assert_same_recordings(found, expected):
    """Compare what `arrays` gave of two studies."""
    assert found.keys() == expected.keys()
    for name in expected:
        assert_same_arrays(found[name], expected[name])


def statuses(index):
    return set(index["status"].values.ravel().tolist())
