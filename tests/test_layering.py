"""The arrows between the packages, and no others."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRONT_DOORS = ("nndyn.analysis", "nndyn.accessor", "nndyn.backend", "nndyn.figures", "nndyn.cli")
FRONT_DOORS += ("nndyn.studies", "nndyn.finder", "nndyn.__main__")
CONTRACTS = ("nndyn.errors", "nndyn.recording", "nndyn.results", "nndyn.numerics", "nndyn._version")
CONTRACTS += ("nndyn.header", "nndyn.kinds", "nndyn.words.names")


def modules():
    for package in ("nndyn", "recorders", "analyzers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imports(path):
    """Every module a file imports, inside functions too, but not for type checking only."""
    tree = ast.parse(path.read_text())
    skipped = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If)
        and ast.unparse(branch.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def under(name, *packages):
    return any(name == p or name.startswith(p + ".") for p in packages)


def allowed(importer, imported):
    if under(imported, "torch"):
        return under(importer, "nndyn.systems.training", "recorders.watch", "recorders.twins")
    if under(imported, "netCDF4"):
        return under(importer, "nndyn.store")
    if not under(imported, "nndyn", "recorders", "analyzers"):
        return True
    if importer == "nndyn" or under(importer, *FRONT_DOORS):
        return True
    if under(importer, "analyzers"):
        return under(imported, "analyzers", *CONTRACTS)
    if under(importer, "recorders"):
        core = not under(imported, "analyzers", *FRONT_DOORS) and imported != "nndyn"
        return under(imported, "recorders") or core
    return not under(imported, "recorders", "analyzers", *FRONT_DOORS) and imported != "nndyn"


@pytest.mark.parametrize("importer", MODULES)
def test_a_module_imports_only_what_lies_below_it(importer):
    wrong = [name for name in imports(MODULES[importer]) if not allowed(importer, name)]
    assert wrong == []


def test_the_walk_sees_the_arrows_it_judges():
    assert "nndyn.recording" in set(imports(MODULES["recorders.rows"]))
    assert not allowed("analyzers.lyapunov.analyzer", "torch.nn")
    assert not allowed("analyzers.lyapunov.analyzer", "nndyn.store")
    assert not allowed("nndyn.store.writer", "recorders.ensemble")
    assert not allowed("recorders.ensemble", "analyzers")
    assert not allowed("nndyn.systems.numeric.system", "netCDF4")


def test_files_hold_one_idea():
    long = {
        name: n for name, path in MODULES.items() if (n := len(path.read_text().splitlines())) > 420
    }
    assert long == {}
