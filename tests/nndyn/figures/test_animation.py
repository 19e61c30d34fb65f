"""A separation that moves."""

import io

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analyzers.exploration.components import components
from analyzers.lyapunov.analyzer import lyapunov
from nndyn.errors import DataError, UsageError
from nndyn.figures.animation import FRAMES, HELD, SHOWN, animation
from tests.analyzers.synthetic import piecewise, recording


def moving():
    growth = np.exp(piecewise([0.3, 0.0], [40], 200))
    run = recording(growth, step_length=1.0)
    replicas = run.sizes["replica"]
    states = np.cumsum(np.random.default_rng(0).standard_normal((201, replicas, 6)), axis=0)
    time = ("time", np.arange(201.0), {"units": "step"})
    paths = xr.Dataset({"state": (("time", "replica", "component"), states)}, {"time": time})
    return lyapunov(run), components(paths, walks=40)


def test_a_separation_grows_from_frame_to_frame_beside_the_paths():
    result, paths = moving()
    content = animation(result, paths, size=4, dpi=60)
    assert len(content) < 300_000
    movie = Image.open(io.BytesIO(content))
    assert (movie.n_frames, movie.size[0], movie.info["loop"]) == (FRAMES, 240, 0)
    drawn, shown = [], []
    for i in (0, FRAMES // 2, FRAMES - 1):
        movie.seek(i)
        shown.append(movie.info["duration"])
        dots = np.asarray(movie.convert("RGB"))
        assert dots[0, 0].tolist() == [255, 255, 255]
        drawn.append(int((dots != 255).any(axis=2).sum()))
    assert drawn == sorted(drawn)
    assert shown == [SHOWN, SHOWN, HELD]


def test_without_paths_there_are_the_distances_alone():
    result, _ = moving()
    movie = Image.open(io.BytesIO(animation(result, size=3, dpi=50, style="dark_background")))
    assert np.asarray(movie.convert("RGB"))[0, 0].tolist() == [0, 0, 0]


def test_other_results_are_refused():
    with pytest.raises(UsageError, match="needs the result of lyapunov"):
        animation(xr.Dataset(attrs={"analyzer": "learning"}))
    with pytest.raises(UsageError, match="million dots a frame; expected at most"):
        animation(moving()[0], size=12, dpi=300)
    attrs = {"analyzer": "lyapunov", "reason": "it ended"}
    with pytest.raises(DataError, match="there is no curve to draw: it ended"):
        animation(xr.Dataset(attrs=attrs))
