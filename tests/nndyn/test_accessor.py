"""What Python shows of a recording, a result and a system, and how it completes them."""

import inspect

import numpy as np
import pytest

import analyzers
import nndyn
from nndyn.accessor import Accessor
from nndyn.errors import UsageError


@pytest.fixture(scope="module")
def henon(tmp_path_factory):
    path = tmp_path_factory.mktemp("henon") / "h.nc"
    with nndyn.record(nndyn.systems.henon(), path, steps=300, replicas=2, rescale=10) as recording:
        yield recording


@pytest.mark.parametrize("module", [nndyn, nndyn.systems])
def test_dir_shows_public_names_alone(module):
    assert set(dir(module)) <= {*module.__all__, *analyzers.names()}
    assert set(module.__all__) <= set(dir(module))


def test_dir_of_the_accessor_shows_analyzers_and_methods_alone(henon):
    assert dir(henon.nndyn) == sorted([*analyzers.names(), "layer", "plot", "table"])


@pytest.mark.parametrize("name", analyzers.ANALYZERS)
def test_a_method_has_the_options_and_the_words_of_its_analyzer(name, henon):
    function = analyzers.load(name)
    _, *options = inspect.signature(function).parameters.values()
    for method in (getattr(henon.nndyn, name), getattr(Accessor, name)):
        found = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
        assert found == options
        assert method.__doc__ == function.__doc__
    assert name in vars(Accessor)  # not by __getattr__ alone, which completion does not ask


def test_methods_of_a_study_have_its_options_too(tmp_path):
    index = nndyn.sweep("henon", tmp_path / "s", steps=3, replicas=1, seeds=2)
    parameters = inspect.signature(index.nndyn.lyapunov).parameters
    assert {"along", "workers", "progress", "burn_in"} <= set(parameters)
    assert repr(index.nndyn).startswith("study of 2 seed; analyzers: autocorrelation")


def test_type_checkers_see_every_row_of_the_table():
    source = inspect.getsource(Accessor)
    for name in analyzers.ANALYZERS:
        assert f'{name} = _Analyzer("{name}", {name})' in source


def test_a_result_begins_with_its_verdict_and_its_summary(henon):
    result = henon.nndyn.lyapunov()
    assert list(result.attrs)[:3] == ["verdict", "reason", "warnings"]
    assert list(result.data_vars)[:4] == ["lyapunov_max", "lyapunov_max_ci", "window", "growth"]
    verdict, header, first, *_ = repr(result.nndyn).splitlines()
    assert verdict.startswith(f"{result.attrs['verdict']}: ")
    assert header.split() == ["value", "lower", "upper", "unit"]
    assert first.split()[0] == "lyapunov_max"


def test_the_table_of_a_result_has_a_row_for_each_value():
    from nndyn.results import Quantity, result

    values = {
        "rate": Quantity(0.5, "1/step", "rate", ci=(0.4, 0.6), interval_over="time"),
        "sums": Quantity([1.0, 3.0], "1", "sums", ("horizon",)),
        "end": Quantity(None, "step", "end", note="it has none"),
    }
    found = result(
        values,
        analyzer="made_up",
        recording=nndyn.from_array(np.sin(np.arange(30.0))),
        parameters={},
        summary=list(values),
        coords={"horizon": [10.0, 20.0]},
    ).nndyn.table()
    assert list(found.index) == ["rate", "sums 10", "sums 20", "end"]
    assert found.loc["rate"].tolist() == [0.5, 0.4, 0.6, "1/step"]
    assert found["value"].tolist()[:3] == [0.5, 1.0, 3.0]
    assert found.loc["end"].isna().tolist() == [True, True, True, False]


def test_there_is_no_table_of_a_recording(henon):
    with pytest.raises(UsageError, match=r"tables are of results.*nndyn\.lyapunov"):
        henon.nndyn.table()


def test_a_recording_begins_with_what_was_measured_and_ends_with_bookkeeping(henon):
    names = list(henon.data_vars)
    assert names[0] == "state"
    assert names[-2:] == ["checkpoint", "checkpoint_step"]
    assert names.index("role") > names.index("distance_l2")
    assert next(iter(henon.attrs)) == "status"
    assert repr(henon.nndyn).startswith("recording of 301 times of 4 replicas")
    series = nndyn.from_array([0.0, 1.0, 0.5])
    assert repr(series.nndyn).startswith("recording of 3 times of one trajectory")


@pytest.mark.parametrize(
    ("system", "shown"),
    [
        (nndyn.systems.henon(), "<map henon: a=1.4, b=0.3; 2 components (x, y)>"),
        (nndyn.systems.cat(), "<map cat: 2 components (x, y)>"),
        (
            nndyn.systems.lorenz63(dt=0.02),
            "<flow lorenz63: sigma=10, rho=28, beta=2.66667; dt=0.02, rk4; 3 components (x, y, z)>",
        ),
        (
            nndyn.systems.quadratic(curvatures=(0.2, 1, 3, 4)),
            "<gd quadratic: lr=0.5, curvatures=(0.2, 1, 3, 4), rotation=0; 4 components>",
        ),
        (
            nndyn.Map(lambda x: 4 * x * (1 - x), 1, name="mine"),
            "<map mine: 1 component (x0); no Jacobian>",
        ),
    ],
)
def test_a_system_says_what_it_is(system, shown):
    assert repr(system) == shown
