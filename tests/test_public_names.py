"""What a user can reach, what importing costs, and that no name hides another."""

import pkgutil
import subprocess
import sys

import pytest

import nndyn
from nndyn import store
from nndyn.errors import InstallationError


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_nndyn_loads_nothing_heavy():
    loaded = run("import sys, nndyn; print([m for m in sys.modules])")
    for heavy in ("torch", "numba", "xarray", "matplotlib", "numpy", "netCDF4"):
        assert f"'{heavy}'" not in loaded


def test_help_of_the_command_line_loads_nothing_heavy():
    loaded = run(
        "import sys\nfrom nndyn.cli import nndyn\nfrom nndyn.cli.lazy import run\n"
        "run(nndyn, ['record', 'training', '--help'])\nprint(sorted(sys.modules))"
    )
    for heavy in ("torch", "numba", "xarray", "matplotlib", "netCDF4"):
        assert f"'{heavy}'" not in loaded


def test_analyzing_never_imports_torch(recording_path):
    loaded = run(
        "import sys\nfrom nndyn.cli import nndyn\nfrom nndyn.cli.lazy import run\n"
        f"run(nndyn, ['analyze', 'lyapunov', {str(recording_path)!r}])\nprint(sorted(sys.modules))"
    )
    assert "'analyzers.lyapunov.analyzer'" in loaded
    assert "'torch'" not in loaded


def test_a_training_begins_without_what_takes_seconds_to_import_and_is_not_used():
    code = (
        "import sys, nndyn\n"
        "nndyn.Training('mlp:64-4-10', 'digits', lr=0.1)\n"
        "print([m for m in ('sklearn', 'sympy', 'torch._dynamo') if m in sys.modules])"
    )
    assert run(code) == "[]\n"


def test_every_public_name_resolves_after_every_submodule_was_imported():
    code = (
        "import importlib, pkgutil, nndyn\n"
        "for m in pkgutil.walk_packages(nndyn.__path__, 'nndyn.'):\n"
        "    importlib.import_module(m.name)\n"
        "import types\n"
        "for name in nndyn.__all__:\n"
        "    value = getattr(nndyn, name)\n"
        "    print(name, isinstance(value, types.ModuleType))\n"
    )
    modules = dict(line.split() for line in run(code).splitlines())
    assert set(modules) == set(nndyn.__all__)
    assert [name for name, is_module in modules.items() if is_module == "True"] == ["systems"]


def test_a_function_of_the_store_is_not_hidden_by_the_module_it_is_in():
    code = (
        "import nndyn.store as s; s.Facts; print(all(callable(getattr(s, n)) for n in s.__all__))"
    )
    assert run(code) == "True\n"


def test_no_public_function_has_the_name_of_a_submodule():
    submodules = {m.name for m in pkgutil.iter_modules(nndyn.__path__)}
    assert submodules & set(nndyn.__all__) == {"systems"}


def test_no_name_of_the_store_is_that_of_a_file_which_would_take_its_place():
    """As the file does whenever it is imported for the sake of another name in it."""
    assert {m.name for m in pkgutil.iter_modules(store.__path__)} & set(store.__all__) == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        nndyn.nonsense  # noqa: B018


def test_dir_lists_analyzers_and_functions():
    assert {"lyapunov", "record", "open", "Training", "systems"} <= set(dir(nndyn))


@pytest.mark.parametrize("package", ["recorders", "analyzers"])
def test_a_foreign_package_of_the_same_name_is_named_with_its_cure(package, tmp_path):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport nndyn\n"
        "try:\n    nndyn.record; nndyn.lyapunov\n"
        "except nndyn.NndynError as error:\n    print(type(error).__name__, error)\n"
    )
    out = run(code)
    assert InstallationError.__name__ in out
    assert str(tmp_path) in out
