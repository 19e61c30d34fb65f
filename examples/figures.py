"""Every figure that nndyn draws, on one sheet: what `make figures` puts into docs/figures.png.

    python examples/figures.py --output docs/figures.png      two minutes
    python examples/figures.py --small --output sheet.png     half a minute, shorter recordings

A training followed by tangents with sharpness and the quadratic expansion, one at a high learning
rate, two maps, a flow, a series with a period of eleven years, studies over one and over two
options, one of the logistic map, and a search for the onset. Each figure is drawn 4 inches wide;
the sheet is those pictures in columns.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import image

import nndyn

DPI, COLUMNS = 110, 5


def series():
    """Give 309 years of a cycle of eleven years whose height changes, with noise."""
    year = np.arange(309.0)
    cycle = 1.0 - np.cos(2.0 * np.pi * year / 11.0)
    height = 50.0 + 20.0 * np.sin(2.0 * np.pi * year / 90.0)
    return height * cycle + np.random.default_rng(0).uniform(0.0, 12.0, year.size)


def runs(folder, short):
    """Record what is drawn; gives the names of figures with recordings and studies."""
    steps = 1 if short else 4
    net = {"model": "mlp:64-16-10", "data": "digits", "samples": 400}
    followed = {"replicas": 5, "tangents": 1, "tangent_start": "replicas"}
    at_edge = nndyn.record(
        nndyn.Training(**net, lr=2.0),
        folder / "edge.nc",
        steps=30 * steps,
        sharpness="every:6",
        quadratic_model=True,
        **followed,
    )
    high = nndyn.record(nndyn.Training(**net, lr=4.0), folder / "high.nc", steps=50 * steps)
    tangents = {"replicas": 3, "rescale": 10, "tangents": "all"}
    henon = nndyn.record(nndyn.systems.henon(), folder / "henon.nc", steps=3000 * steps, **tangents)
    lorenz = nndyn.record(
        nndyn.systems.lorenz63(), folder / "lorenz.nc", steps=2500 * steps, **tangents
    )
    measured = nndyn.from_array(series(), interval=1.0)
    for name, run in (
        ("lyapunov", at_edge),
        ("lyapunov", high),
        ("learning", high),
        ("exploration", high),
        ("path", high),
        ("lyapunov", henon),
        ("spectrum", henon),
        ("exploration", henon),
        ("spectrum", lorenz),
        ("path", lorenz),
        ("recurrence", lorenz.isel(time=slice(0, 2000, 4))),
        ("exploration", measured),
        ("recurrence", measured),
    ):
        yield name, run
    small = {"model": "mlp:4-8-3", "data": "iris", "replicas": 3, "store": "distances"}
    one = nndyn.sweep(
        "training",
        folder / "one",
        lr=np.geomspace(0.5, 32.0, 4 if short else 8).tolist(),
        seeds=4,
        steps=50 * steps,
        evaluate=5,
        **small,
    )
    two = nndyn.sweep(
        "training",
        folder / "two",
        lr=np.geomspace(0.5, 32.0, 5).tolist(),
        momentum=[0.0, 0.5, 0.9],
        seeds=2,
        steps=25 * steps,
        **small,
    )
    for name, study in (
        ("study", one),
        ("lyapunov", one),
        ("learning", one),
        ("curves", one),
        ("orbit", one),
        ("verdicts", one),
        ("verdicts", two),
    ):
        yield name, study
    rates = np.linspace(2.8, 4.0, 60 if short else 300).tolist()
    yield (
        "orbit",
        nndyn.sweep("logistic", folder / "logistic", r=rates, steps=400, replicas=1),
    )
    yield (
        "onset",
        nndyn.find_onset("mlp:4-8-3", "iris", steps=50 * steps, replicas=3, threshold=0.9),
    )


def pixels(figure):
    """Return a figure as rows of pixels."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    drawn.seek(0)
    return image.imread(drawn)[:, :, :3]


def sheet(pictures, columns):
    """Return pictures of one width below each other, each in the column that is the shortest."""
    width = max(picture.shape[1] for picture in pictures)
    stacks = [[] for _ in range(columns)]
    for picture in pictures:
        stack = min(stacks, key=lambda stack: sum(map(len, stack)))
        stack.append(np.pad(picture, ((14, 14), (14, 14), (0, 0)), constant_values=1.0))
    height = max(sum(map(len, stack)) for stack in stacks)
    page = np.ones((height, columns * (width + 28), 3))
    for i, stack in enumerate(stacks):
        top = 0
        for picture in stack:
            left = i * (width + 28)
            page[top : top + len(picture), left : left + picture.shape[1]] = picture
            top += len(picture)
    return page


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", default="docs/figures.png")
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = []
        for name, run in runs(Path(folder), asked.small):
            figure = run.plot(size=4) if name == "onset" else run.nndyn.plot(name, size=4)
            pictures.append(pixels(figure))
            print(f"{name}: {figure.caption.get_text()}")
        # 6 bits of each colour: half the size, and no eye sees it
        page = np.round(sheet(pictures, COLUMNS) * 63.0) / 63.0
        image.imsave(asked.output, page)


if __name__ == "__main__":
    main()
