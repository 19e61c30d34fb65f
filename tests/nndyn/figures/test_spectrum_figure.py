import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn import systems
from nndyn.errors import DataError, UsageError
from nndyn.figures.spectrum import spectrum


def analyzed(path, system, steps=2000, **options):
    with nndyn.record(system, path, steps=steps, replicas=0, tangents="all") as run:
        return nndyn.spectrum(run, **options)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_spectrum_shows_exponents_history_and_distributions(tmp_path):
    result = analyzed(tmp_path / "r.nc", systems.lorenz63(), 20_000)
    figure = spectrum(result)
    exponents, history, spread = figure.axes
    assert legend(exponents) == ["known", "exponents"]
    assert exponents.get_ylabel() == "exponent (per time unit)"
    assert legend(history) == ["exponent 1", "exponent 2", "exponent 3", "known"]
    ends = [line.get_ydata()[-1] for line in history.lines[:6:2]]
    np.testing.assert_allclose(ends, result["exponents"].values, rtol=1e-9)
    assert legend(spread) == ["extremes", "quartiles"]
    assert figure.caption.get_text() == f"chaotic: {result.attrs['reason']}"
    figure.savefig(tmp_path / "figure.png")


def test_what_is_known_of_exponents_that_were_not_asked_for_takes_no_room(tmp_path):
    with nndyn.record(
        systems.lorenz63(), tmp_path / "r.nc", steps=2000, replicas=0, tangents=2
    ) as run:
        _, history, _ = spectrum(nndyn.spectrum(run)).axes
    assert history.get_ylim()[0] > -5.0  # the third exponent is -14.57


def test_exponents_that_cannot_be_told_apart_are_joined(tmp_path):
    result = analyzed(tmp_path / "r.nc", systems.coupled_logistic())
    assert len(set(result["group"].values)) < 8
    figure = spectrum(result)
    assert legend(figure.axes[0]) == ["not told apart", "exponents"]
    figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: systems.logistic(), {"horizon": 1900.0}),
        (lambda: systems.quadratic(1.0, (1.0, 0.5), discard=0), {}),
        (lambda: systems.cat(), {}),
    ],
)
def test_odd_spectra_are_drawn_without_a_warning(tmp_path, make, options):
    spectrum(analyzed(tmp_path / "r.nc", make(), **options)).savefig(tmp_path / "figure.png")


def test_other_results_are_refused():
    with pytest.raises(UsageError, match="needs the result of spectrum, got 'learning'"):
        spectrum(xr.Dataset(attrs={"analyzer": "learning"}))


def test_lost_exponents_are_marked_and_the_others_drawn(tmp_path):
    path, system = tmp_path / "r.nc", systems.lorenz63()
    options = {"steps": 50_000, "replicas": 0, "tangents": "all", "tangent_every": 1000}
    with nndyn.record(system, path, store="distances", **options) as run:
        figure = spectrum(nndyn.spectrum(run))
    exponents, _, spread = figure.axes
    assert "lost in rounding" in legend(exponents)
    assert len(spread.get_xticks()) == 2
    figure.savefig(tmp_path / "figure.png")


def test_an_escape_has_nothing_to_draw(tmp_path):
    system = systems.henon(1.45, initial=[0.1, 0.1], discard=0)
    with pytest.raises(DataError, match="nothing to draw: the reference is not finite from step"):
        spectrum(analyzed(tmp_path / "r.nc", system))
