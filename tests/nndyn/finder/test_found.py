"""An onset that was found is a Dataset like any other, with a suggestion and a figure."""

import copy
import pickle

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from nndyn.errors import UsageError
from nndyn.finder.found import FoundOnset
from tests.nndyn.finder.made_up import RATES, found


def test_the_suggestion_is_the_recommended_rate():
    result = found()
    assert result.attrs["verdict"] == "found"
    assert type(result.suggestion()) is float
    assert result.suggestion() == float(result["recommended"])
    assert result.suggestion() == pytest.approx(1.0, rel=0.01)  # the shortest times are there


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accuracies": False, "makes": False}, "the runs have no test accuracy"),
        ({"accuracies": False}, "`evaluate` of a nndyn.Loop may return `test_accuracy`"),
        ({"rates": RATES[:3]}, "no onset was found"),
    ],
)
def test_without_one_there_is_no_suggestion_and_the_note_says_why(options, said):
    result = found(**options)
    assert result.suggestion() is None
    assert said in result["recommended"].attrs["note"]
    assert np.isnan(result["training_time_at_onset"])
    assert result["training_time_at_onset"].attrs["note"]


@pytest.mark.parametrize(
    "again",
    [
        lambda ds: pickle.loads(pickle.dumps(ds)),
        copy.copy,
        copy.deepcopy,
        lambda ds: ds.copy(deep=True),
        lambda ds: ds.assign_attrs(**ds.attrs),
        lambda ds: FoundOnset(ds.data_vars, ds.coords, ds.attrs),
    ],
    ids=["pickle", "copy", "deepcopy", "own copy", "with attributes", "made again"],
)
def test_a_copy_is_the_same_and_has_the_methods(again):
    result = found()
    twin = again(result)
    assert isinstance(twin, FoundOnset)
    assert twin.identical(result)
    assert twin.suggestion() == result.suggestion()


def test_it_is_written_and_compared_as_any_dataset(tmp_path):
    result = found()
    result.to_netcdf(tmp_path / "found.nc")
    with xr.open_dataset(tmp_path / "found.nc") as read:
        assert result.equals(read)
        assert read.equals(result)
        assert read.attrs == result.attrs
    assert "onset" in repr(result)
    assert "onset" in result._repr_html_()
    assert repr(result.nndyn).startswith("found: half of 8 seeds turn over")
    assert result.nndyn.table().loc["onset", "value"] == float(result["onset"])
    assert float(result.sel(lr=RATES[0])["growing_share"]) == 0.0


def test_it_draws_itself():
    figure = found().plot(title="Iris", size=3.5)
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == 3.5
    with pytest.raises(UsageError, match="size is 0"):
        found().plot(size=0)
