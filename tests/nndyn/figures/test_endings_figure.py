"""Figure of the segments between the ends of replicas."""

import numpy as np
import pytest

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.figures.endings import endings
from tests.analyzers.endings.made_up import recording


def test_every_segment_is_a_curve_and_those_of_the_reference_stand_out(tmp_path):
    run = recording([0.0, 0.3, 0.3])
    result = nndyn.endings(run)
    figure = endings(result)
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[:2] == ["of two replicas", "of the reference and a replica"]
    curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 5]
    assert len(curves) == 3
    np.testing.assert_allclose(np.max(curves, axis=1), [0.3, 0.0, 0.3])
    assert figure.caption.get_text().startswith("in groups: ")
    figure.savefig(tmp_path / "figure.png")


def test_without_segments_it_is_refused_with_the_cure():
    run = recording([0.0]).drop_vars("barrier_loss")
    with pytest.raises(DataError, match="`barrier="):
        endings(nndyn.endings(run))
    with pytest.raises(UsageError, match="endings"):
        endings(nndyn.endings(run).assign_attrs(analyzer="learning"))
