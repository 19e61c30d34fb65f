"""The documentation as a whole: links lead somewhere, pages are found, names are defined."""

import re

import pytest

import nndyn
from nndyn.comparison.curves import CURVES
from nndyn.comparison.quantities import FACTS, QUANTITIES
from nndyn.finder import labels
from nndyn.recording import GROWING, VARIABLES
from tests.readme import DOCS, README

ROOT = README.parent
PAGES = sorted(p for p in DOCS.rglob("*.md") if "paper" not in p.parts)
TEXTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
#: Of files alone, which stand in the table of variables of docs/file_format.md.
BOOKKEEPING = ("checkpoint", "parameter_", "role", "pair")


def without_code(text):
    """Return Markdown without blocks of code, in which brackets are no links."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(page):
    """Return the anchors of the headings of a page, as the repository's view makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_there_are(page):
    found = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8")))
    broken = []
    for link in found:
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_table_of_contents_once():
    listed = []
    for page in PAGES:
        trees = re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
        here = {page: None}  # what one pattern has taken the next does not list again
        for entry in "".join(trees).splitlines():
            if entry and not entry.startswith(":"):
                entry = re.sub(r".*<(.*)>", r"\1", entry)  # what is called otherwise here
                folder = DOCS if entry.startswith("/") else page.parent
                here |= dict.fromkeys(sorted(folder.glob(f"{entry.lstrip('/')}.md")))
        listed += list(here)[1:]
    assert sorted(listed) == [page for page in PAGES if page != DOCS / "index.md"]


def test_the_readme_stays_a_page():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def defined():
    """Return the names in the first columns of the tables on definitions."""
    lines = (DOCS / "definitions.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split(" | ")[0] for line in lines if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Names in the results of every analyzer, of recordings with everything in them."""
    folder = tmp_path_factory.mktemp("definitions")
    system = nndyn.Training("mlp:4-8-3", "iris", lr=1.0)
    followed = {"tangents": 2, "sharpness": "every:15", "quadratic_model": True, "barrier": 3}
    path = folder / "run.nc"
    run = nndyn.record(system, path, steps=45, critical_sharpness="every:15", **followed)
    bare = nndyn.record(system, folder / "bare.nc", steps=20, replicas=20)
    henon = nndyn.record("henon", folder / "map.nc", steps=500, replicas=2, tangents="all")
    index = nndyn.sweep(
        "training",
        folder / "study",
        model="mlp:4-8-3",
        data="iris",
        lr=[1.0, 4.0],
        seeds=2,
        steps=20,
    )
    found = [
        run.nndyn.lyapunov(parameter="all"),
        run.nndyn.lyapunov(distance="output"),
        henon.nndyn.lyapunov(),
        run.nndyn.spectrum(),
        bare.nndyn.spectrum(),
        henon.nndyn.spectrum(),
        run.nndyn.exploration(),
        run.nndyn.learning(),
        run.nndyn.endings(beside=path),
        henon.nndyn.recurrence(kind="joint", other=1, sliding_width=100),
        henon.nndyn.autocorrelation(),
        index.nndyn.lyapunov(),
        index.nndyn.learning(),
    ]
    for one in (run, bare, henon):
        one.close()
    return {str(name) for one in found for name in one.data_vars if not str(name).endswith("_ci")}


@pytest.mark.filterwarnings("ignore:the sum of the exponents")
def test_every_name_in_a_result_is_defined_and_no_other(results):
    one_by_one = {n for n in results if not n.startswith(("cell_", "sliding_"))}
    others = {*QUANTITIES, *FACTS, *CURVES, *labels._SUMMARY, "exponent_ratios", "dimension"}
    stored = {n for n in VARIABLES if n not in GROWING and not n.startswith(BOOKKEEPING)}
    assert {*one_by_one, *others, *stored} - defined() == set()
    about = {"path", "recording_id", "stationary", "runs", "verdicts", "reasons"}
    users = {"metric_NAME", "batch_NAME"}
    known = {*results, *others, *VARIABLES, *about, *users}
    assert defined() - known == set()


def test_every_measure_of_a_window_is_one_of_the_whole(results):
    sliding = {n.removeprefix("sliding_") for n in results if n.startswith("sliding_")}
    assert sliding - {"first", "last"} <= defined()


def test_the_paper_cites_what_its_bibliography_has_and_no_less():
    paper, bib = ((DOCS / "paper" / f"paper.{kind}").read_text("utf-8") for kind in ("md", "bib"))
    cited = set(re.findall(r"@(\w+)", paper))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", bib, re.M))
