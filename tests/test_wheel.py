"""The wheel holds every package and the examples, nothing foreign, and its links are whole."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Modules, and what the pages of reports are made of.
SHIPPED = (".py", ".jinja", ".css")


@pytest.mark.slow
def test_the_wheel_holds_every_module_of_the_three_packages_and_the_examples(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    expected = set()
    for package in ("nndyn", "recorders", "analyzers"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in SHIPPED or path.name == "py.typed":
                relative = path.relative_to(ROOT)
                expected.add(relative.as_posix())
                (source / relative).parent.mkdir(parents=True, exist_ok=True)
                (source / relative).write_bytes(path.read_bytes())
    for path in (ROOT / "examples").glob("*.*"):
        expected.add(f"nndyn/examples/{path.name}")
        (source / "examples").mkdir(exist_ok=True)
        (source / "examples" / path.name).write_bytes(path.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "-o", str(tmp_path / "out"), str(source)],
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "out").glob("nndyn-*.whl")
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert held == expected
    assert "nndyn/systems/training/system.py" in held
    assert "nndyn/reports/templates/style.css" in held
    assert "analyzers/recurrence/kernels/__init__.py" in held
    folder = f"{wheel.name.split('-py3')[0]}.dist-info"
    about = zipfile.ZipFile(wheel).read(f"{folder}/METADATA").decode()
    assert "Project-URL: Homepage, https://" in about
    links = re.findall(r"\]\(([^)]+)\)", about)
    assert any(link.endswith(".png") for link in links)
    assert all(link.startswith(("https://", "#")) for link in links)
