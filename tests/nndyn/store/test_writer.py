from pathlib import Path

from nndyn.store import open_recording
from tests.nndyn.store.recordings import assert_holds, record


def test_recorded_values_come_back(tmp_path: Path) -> None:
    plan = record(tmp_path / "run.nc")
    with open_recording(tmp_path / "run.nc") as run:
        assert_holds(run, plan, 40)
        assert run.attrs["status"] == "complete"
        assert run["parameter_name"].values.tolist() == ["0.weight", "0.biais é"]
        assert run["time"].attrs["units"] == "step"
        assert run.encoding["source"] == str(tmp_path / "run.nc")
