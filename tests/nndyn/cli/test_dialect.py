"""Messages name options as Python does in Python, and by flags on the command line."""

import json

import pytest

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.words.dialect import flags


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("overwrite it (`overwrite=True`)", "overwrite it (--overwrite)"),
        ("record with `control=False`", "record with --no-control"),
        ("a smaller `tangent_every`; 1", "a smaller --tangent-every; 1"),
        ("`rescale=10`, or `tangents=1`", "--rescale 10, or --tangents 1"),
        ("`store='full'` or `dt=0.02`", "--store full or --dt 0.02"),
        ("`window=(A, B)` or `lr=(0.1, 10)`", "--window A:B or --lr 0.1:10"),
        ("`column='a b,c'`", "--column 'a b,c'"),
        ("`column=['a', 'b']`", "--column a,b"),
        ("`time=a b`", "--time 'a b'"),
        ("weight_decay is -1; give", "--weight-decay is -1; give"),
        ("nndyn: weight_decay is -1", "nndyn: --weight-decay is -1"),
        ("as `nndyn sweep` makes it", "as `nndyn sweep` makes it"),
        ("model=mlp:4-3, lr=0.5: chaotic", "model=mlp:4-3, lr=0.5: chaotic"),
    ],
)
def test_an_option_in_backticks_becomes_a_flag(python, shell):
    assert flags(python) == shell


def test_a_file_in_the_way_is_said_in_the_dialect_of_the_door(tmp_path, cli):
    path = tmp_path / "r.nc"
    nndyn.record("logistic", path, steps=3, replicas=1).close()
    with pytest.raises(UsageError, match=r"or overwrite or resume it \(`overwrite=True`") as caught:
        nndyn.record("logistic", path, steps=3, replicas=1)
    assert "--" not in str(caught.value)
    code, out, err = cli("record", "map", "logistic", "--steps", "3", "-o", path)
    assert (code, out) == (2, "")
    assert "or overwrite or resume it (--overwrite, --resume)" in err
    assert "True" not in err


def test_results_say_it_in_the_dialect_of_the_door(tmp_path, cli):
    with nndyn.record("logistic", tmp_path / "r.nc", steps=200, replicas=1) as recording:
        found = nndyn.lyapunov(recording)
    assert "`rescale=10`" in found.attrs["reason"]
    for more in ((), ("--json",)):
        _, out, _ = cli("analyze", "lyapunov", tmp_path / "r.nc", *more)
        assert "--rescale 10" in " ".join(out.split())
        assert "rescale=" not in out
    assert json.loads(out)["verdict"] == found.attrs["verdict"]


def test_a_table_says_it_in_the_dialect_of_the_door(tmp_path, cli):
    table = tmp_path / "sun.csv"
    table.write_text("YEAR,SPOTS\n" + "".join(f"{1700 + k},{k % 7}\n" for k in range(9)))
    from recorders.series import record_series

    with pytest.raises(DataError, match="give `time='YEAR'` or `column='SPOTS'`"):
        record_series(table, tmp_path / "s.nc")
    code, _, err = cli("record", "series", table, "-o", tmp_path / "s.nc")
    assert code == 1
    assert "give --time YEAR or --column SPOTS" in err


def test_no_message_outside_the_command_line_names_a_flag():
    import re
    from pathlib import Path

    root = Path(nndyn.__file__).parent.parent
    files = [f for p in ("nndyn", "recorders", "analyzers") for f in (root / p).rglob("*.py")]
    named = re.compile(r"(?<![-\w])--[a-z]")
    commands = {"cli", "dialect.py", "reproduction.py"}  # of which they are a part
    found = [str(f) for f in files if not commands & {*f.parts} and named.search(f.read_text())]
    assert found == []
