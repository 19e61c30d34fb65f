"""The arrows between the packages, and no others."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRONT_DOORS = ("nndyn.analysis", "nndyn.accessor", "nndyn.backend", "nndyn.figures", "nndyn.cli")
FRONT_DOORS += (
    "nndyn.studies",
    "nndyn.comparison",
    "nndyn.finder",
    "nndyn.integrations",
    "nndyn.reports",
    "nndyn.__main__",
)
CONTRACTS = ("nndyn.errors", "nndyn.recording", "nndyn.results", "nndyn.numerics", "nndyn._version")
CONTRACTS += ("nndyn.checks", "nndyn.header", "nndyn.kinds", "nndyn.words.names")


def modules():
    for package in ("nndyn", "recorders", "analyzers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imports(path, *, types=False):
    """Every module a file imports, inside functions too; those for type checking where asked."""
    tree = ast.parse(path.read_text())
    skipped = (
        set()
        if types
        else {
            node
            for branch in ast.walk(tree)
            if isinstance(branch, ast.If)
            and ast.unparse(branch.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for statement in branch.body
            for node in ast.walk(statement)
        }
    )
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
    assert "nndyn.recording" in set(imports(MODULES["recorders.header"]))
    assert not allowed("analyzers.lyapunov.analyzer", "torch.nn")
    assert not allowed("analyzers.lyapunov.analyzer", "nndyn.store")
    assert not allowed("nndyn.store.writer", "recorders.ensemble")
    assert not allowed("recorders.ensemble", "analyzers")
    assert not allowed("nndyn.systems.numeric.system", "netCDF4")


#: Analyzers that may import another's folder: a spectrum reads the growth that lyapunov does.
BESIDE = {"spectrum": ("lyapunov",)}
#: Rooms of trainings, each of which imports those before it; of two in one row neither the other.
ROOMS = (
    ("data", "torch_state", "checkpoints"),
    ("optimizers", "batches"),
    ("start",),
    ("protocol",),
    ("task",),
    ("perceptron", "modules"),
    ("models",),
    ("second_order", "execution", "description", "assembly"),
    ("loop",),
    ("torch_optimizers",),
    ("system",),
)
TRAINING = "nndyn.systems.training"


def room(name, package):
    """The folder or file of a package that a module is in."""
    return name.removeprefix(package + ".").split(".")[0]


def inside(package):
    """What modules of a package import of it: the two rooms of each."""
    for importer, path in MODULES.items():
        if under(importer, package) and importer != package:
            for imported in imports(path):
                if under(imported, package) and imported != package:
                    yield room(importer, package), room(imported, package)


def test_an_analyzer_imports_itself_and_what_is_common():
    allowed_of = {"common": {"common"}, "growth": {"common", "growth"}}
    wrong = [
        (a, b)
        for a, b in inside("analyzers")
        if b not in allowed_of.get(a, {a, "common", "growth", *BESIDE.get(a, ())})
    ]
    assert wrong == []


def test_a_room_of_trainings_imports_those_below_it():
    rank = {name: i for i, row in enumerate(ROOMS) for name in row}
    pairs = {(a, b) for a, b in inside(TRAINING) if a != b}
    assert {name for pair in pairs for name in pair} <= set(rank)
    assert [(a, b) for a, b in pairs if rank[a] <= rank[b]] == []


@pytest.mark.parametrize("shared", ["common", "growth"])
def test_what_is_shared_is_used_by_two(shared):
    users = {}
    for importer, path in MODULES.items():
        for imported in imports(path) if under(importer, "analyzers") else ():
            if under(imported, f"analyzers.{shared}"):
                users.setdefault(imported, set()).add(room(importer, "analyzers"))
    alone = {name: found for name, found in users.items() if len(found) < 2 and shared not in found}
    assert alone == {}


def test_there_is_no_circle_of_imports_types_included():
    arrows = {
        name: {i for i in imports(path, types=True) if i in MODULES and i != name}
        for name, path in MODULES.items()
    }
    while True:  # what imports nothing that is left cannot be part of a circle
        free = {name for name, found in arrows.items() if not found}
        if not free:
            break
        arrows = {name: found - free for name, found in arrows.items() if name not in free}
    assert arrows == {}


def test_files_hold_one_idea_and_folders_a_dozen_files():
    def long(folder, limit):
        lines = {p: len(p.read_text().splitlines()) for p in sorted(folder.rglob("*.py"))}
        return {str(p): n for p, n in lines.items() if n > limit}

    assert [long(ROOT / name, 400) for name in ("nndyn", "recorders", "analyzers")] == [{}] * 3
    assert long(ROOT / "tests", 500) == {}
    folders = {path.parent for path in MODULES.values()}
    many = {str(f.relative_to(ROOT)) for f in folders if len(list(f.glob("*.py"))) > 14}
    assert many <= {"nndyn/store", "nndyn/cli", "nndyn/figures"}
