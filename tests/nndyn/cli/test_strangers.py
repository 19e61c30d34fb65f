"""What strangers wrote into their files reaches no terminal as it is, and adds no option."""

import json
import os
import re
import tomllib
from pathlib import Path

import netCDF4
import pytest

from nndyn import open_study
from nndyn.errors import NndynError, RecordingError, UnknownNameError
from nndyn.store import digests, sealed
from nndyn.words.text import escaped, escaped_json, escaped_toml

#: Clears a screen, sets a title, goes back over a line, begins another, turns it round.
BAD = "\x1b[2J\x1b]0;t\x07\r\x9b31m\nnndyn: all checksums hold\u202e\u2028[/red] $\\frac$"
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]")


def changed(path, manifest=None, *, units=None, **attrs):
    """Forge what a file says, and seal it anew, as its author could."""
    with netCDF4.Dataset(path, "r+") as nc:
        for variable in nc.variables.values() if units else ():
            variable.units = units
        tree = json.loads(nc.getncattr("manifest"))
        for place, value in (manifest or {}).items():
            *folders, key = place.split("::")
            at = tree
            for folder in folders:
                at = at[folder]
            at[key] = value
        nc.setncatts({"manifest": json.dumps(tree), **attrs})
    with netCDF4.Dataset(path, "r+") as nc:  # attributes have their order once they are written
        digests.seal(nc)


@pytest.fixture
def run(cli, henon_path):
    Path("run.nc").write_bytes(henon_path.read_bytes())
    return Path("run.nc")


@pytest.fixture
def trained(cli, recording_path):
    Path("run.nc").write_bytes(recording_path.read_bytes())
    return Path("run.nc")


def assert_harmless(*texts):
    for text in texts:
        assert ACTING.search(text) is None, text
        assert "\nnndyn: all checksums hold" not in text


COMMANDS = [
    ("info",),
    ("info", "--json"),
    ("info", "--config"),
    ("verify",),
    ("analyze", "lyapunov"),
    ("analyze", "lyapunov", "--json"),
    ("analyze", "all"),
    ("plot", "lyapunov", "-o", "f.png"),
    ("--debug", "analyze", "recurrence", "--dimension", "0"),
    ("compare",),
    ("compare", "--json"),
    ("plot", "compare", "-o", "f.svg"),
]
PLACES = (
    "system::name",
    "system::kind",
    "recording::store",
    "versions::numpy",
    "hardware::processor",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_control_character_of_a_recording_reaches_the_terminal(cli, run, command):
    places = {**dict.fromkeys(PLACES, BAD), f"recording::{BAD}": BAD}
    changed(run, {**places, f"system::parameters::{BAD}": 1.0}, units=BAD, stop_reason=BAD)
    _, out, err = cli(*command, run)
    assert_harmless(out, err)
    assert out + err
    assert "is damaged" not in out + err  # it was taken for what it says


@pytest.mark.parametrize("command", COMMANDS[:5])
@pytest.mark.parametrize(
    ("name", "message"), [("status", "status is"), ("recording_id", "are not what was written")]
)
def test_no_control_character_of_what_is_refused_reaches_the_terminal(
    cli, run, command, name, message
):
    changed(run, **{name: BAD})
    code, out, err = cli(*command, run)
    assert_harmless(out, err)
    assert code == 4
    assert message in out + err


@pytest.mark.parametrize("command", COMMANDS[:4])
def test_no_control_character_of_a_name_reaches_the_terminal(cli, run, command):
    name = Path("r\x1b[2Jun\nnndyn: all checksums hold\udcff.nc")
    run.rename(name)
    code, out, err = cli(*command, os.fspath(name))
    assert_harmless(out, err)
    assert code in (0, 4)
    _, out, err = cli(*command, f"{name}.gone")
    assert_harmless(out, err)


def test_another_recording_is_a_regular_file_and_its_name_is_escaped(cli, run):
    name = Path("r\x1b[2Jun\nnndyn: all checksums hold.nc")
    cross = ("analyze", "recurrence", run, "--kind", "cross", "--other", name)
    gone = cli(*cross)
    os.mkfifo(name)
    piped = cli(*cross)
    name.unlink()
    name.mkdir()
    for (code, out, err), expected, message in (
        (gone, 2, "does not exist"),
        (piped, 4, "is a pipe, expected a recording"),
        (cli(*cross), 2, "is a folder, expected a recording"),
    ):
        assert (code, out, err.count("\n")) == (expected, "", 1)
        assert message in err
        assert_harmless(err)
    name.rmdir()
    name.write_bytes(run.read_bytes())
    code, out, err = cli(*cross, "--json")
    assert (code, err) == (0, "")
    assert_harmless(out)
    assert json.loads(out)["parameters"]["other"]["path"] == os.fspath(name)


def test_no_control_character_of_a_study_reaches_the_terminal(cli):
    words = ("--steps", 60, "--rescale", 5, "--param", "r=3.5,3.9", "-o", "s")
    assert cli("sweep", "map", "logistic", *words)[0] == 0
    plan = sealed.read(Path("s/study.json").read_text(), says="", cure="")
    cell = Path(str(open_study("s")["path"].values.ravel()[0]))
    cell.write_text(BAD)
    axis = {"axes": {BAD: plan["axes"]["r"], "seed": plan["axes"]["seed"]}}
    shown = {"system": BAD, "options": {**plan["options"], BAD: BAD}}
    for change in (shown, {"id": BAD}, axis):
        Path("s/study.json").write_text(sealed.written(plan | change))
        for command in (("info",), ("info", "--json"), ("verify",), ("analyze", "lyapunov")):
            assert_harmless(*cli(*command, "s")[1:])
        assert_harmless(*cli("sweep", "map", "logistic", "--steps", 60, "-o", "s")[1:])
    Path("s/study.json").write_text(sealed.written(plan))
    note = next(Path("s/batches").glob("*.json"))
    for text in (json.dumps({"x": {"id": BAD}}), '{"x": "\x1b[2J"}'):
        note.write_text(text)
        assert_harmless(*cli("info", "s")[1:])


def test_an_error_escapes_what_a_file_says():
    for kind in (NndynError, RecordingError, UnknownNameError):
        assert str(kind("name is \x1b[2J")) == "name is \\x1b[2J"


def test_escaped_texts_read_as_before():
    value = {"é\x1b\x9b\u202e\U000e0041\n": ["\x7f", "\u2028"]}
    shown = escaped_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(shown) == value
    assert "é" in shown
    assert ACTING.search(shown) is None
    assert tomllib.loads(escaped_toml('"é\u202e" = "\U000e0041"')) == {"é\u202e": "\U000e0041"}
    assert escaped("é 日本 \n\t\x85") == "é 日本 \\n\\t\\x85"


def test_no_name_in_a_file_adds_an_option(cli, run):
    hostile = 'x = 1 }\noutput = "/etc/passwd"\noverwrite = true #'
    places = {
        "system::name": hostile,
        "recording::output": "/etc/passwd",
        "recording::overwrite": True,
        f"recording::{hostile}": 1,
        f"system::parameters::{hostile}": 1.0,
        "recording::store": hostile,
        "recording::steps": 7,
    }
    changed(run, places)
    code, out, err = cli("info", "--config", run)
    assert code == 0, err
    options = tomllib.loads(out)
    assert not {"output", "overwrite"} & options.keys()
    assert options["steps"] == 60
    assert options["store"] == hostile
    assert options["param"] == {"a": 1.4, "b": 0.3, hostile: 1.0}


@pytest.mark.parametrize("model", ["package.module:factory", "os:system\nsteps = 1", "mlp:Net"])
def test_a_model_that_is_code_of_the_author_is_marked(cli, trained, model):
    assert "is code" not in cli("info", "--config", trained)[1]
    changed(trained, {"system::model": model})
    code, out, _ = cli("info", "--config", trained)
    assert code == 0
    assert tomllib.loads(out)["model"] == model
    (line,) = (line for line in out.splitlines() if "is code that the author" in line)
    assert line.startswith("# The model is code that the author of run.nc names, ")
    assert "recording imports and runs it" in line


@pytest.mark.parametrize("kind", ["pipe", "device", "longer", "letters"])
def test_a_file_of_options_that_is_none_is_refused_at_once(cli, kind):
    path = Path("c.toml")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "longer":
        with path.open("wb") as file:
            file.truncate(2**40)
    else:
        path.write_text(f"store = '''{BAD}'''\n")
    code, out, err = cli("record", "map", "henon", "--config", path, "--steps", 9, "-o", "r.nc")
    assert (code, out) == (2, "")
    assert_harmless(err)
    assert err.count("\n") == 1


def test_all_that_a_command_prints_goes_through_one_place():
    import nndyn.cli.output as place

    folder = Path(place.__file__).parent
    printing = {p.name for p in folder.glob("*.py") if "click.echo(" in p.read_text()}
    assert printing == {"output.py", "lazy.py"}
    lazy = (folder / "lazy.py").read_text()
    assert re.findall(r"click\.echo\((.*)\)", lazy) == [
        "error.format_message(), err=True",
        "err=True",
    ]
