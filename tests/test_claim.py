"""The claim on small networks: one page, however often it is written, killed and gone on with."""

import json
import sys
from pathlib import Path

import pytest

import nndyn
from nndyn.errors import DataError, UsageError

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY = {"data": "iris", "model": "mlp:4-8-3"}


@pytest.fixture(scope="module")
def claim():
    sys.path.insert(0, str(EXAMPLES))
    try:
        import claim

        yield claim
    finally:
        sys.path.remove(str(EXAMPLES))
        for name in ("claim", "claim_page"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def cells(claim):
    return (
        claim.Cell("two rates", TINY, (0.5, 4.0), 20, seeds=2, level=0.8),
        claim.Cell("with momentum", {**TINY, "momentum": 0.9}, (0.1, 0.5), 20, seeds=2, level=0.8),
    )


@pytest.fixture(scope="module")
def written(claim, cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    claim.write(cells, folder / "numbers", folder / "claim.md")
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("claim.*")}


def test_the_rule_is_printed_before_anything_runs(claim, cells, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nndyn, "sweep", lambda *_, **__: pytest.fail(capsys.readouterr().out))
    with pytest.raises(pytest.fail.Exception, match="The rule, fixed before anything runs"):
        claim.write(cells, tmp_path / "numbers", tmp_path / "claim.md")
    assert not (tmp_path / "claim.md").exists()


def test_a_killed_run_goes_on_and_writes_the_same_page(
    claim, cells, written, tmp_path, monkeypatch
):
    numbers = tmp_path / "numbers"
    done = claim.analyzed

    def killed(run, cell):
        if cell is cells[1]:
            raise KeyboardInterrupt
        return done(run, cell)

    monkeypatch.setattr(claim, "analyzed", killed)
    with pytest.raises(KeyboardInterrupt):
        claim.write(cells, numbers, tmp_path / "claim.md")
    monkeypatch.setattr(claim, "analyzed", done)
    assert not files(tmp_path)
    assert {path.name for path in numbers.iterdir()} == {"two-rates.json", "with-momentum"}
    swept, sweep = [], nndyn.sweep

    def noted(*words, **options):
        swept.append(words[1].name)
        return sweep(*words, **options)

    monkeypatch.setattr(nndyn, "sweep", noted)
    claim.write(cells, numbers, tmp_path / "claim.md")
    assert swept == ["with-momentum"]  # what is finished is not computed again
    assert {path.name for path in numbers.iterdir()} == {"two-rates.json", "with-momentum.json"}
    assert files(tmp_path) == files(written)
    assert set(files(written)) == {"claim.md", "claim.png"}


def test_the_page_says_what_the_numbers_say(claim, cells, written):
    text = (written / "claim.md").read_text(encoding="utf-8")
    assert "**is not settled, for want of seeds,** in 2 of 2 studies: two rates; with mom" in text
    assert "2 seeds, 10 are needed" in text
    numbers = claim.measured(cells[0], written / "numbers")
    times = numbers["runs"][0][0]["learning"]["0.8"]["training_time"]
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.5, seed=0)
    run = nndyn.record(
        system, written / "run.nc", steps=20, replicas=2, control=False, seed=0, overwrite=True
    )
    with run:
        assert float(run.nndyn.learning(threshold=0.8)["training_time"]) == times
        growth = float(run.nndyn.lyapunov(distance="l1")["growth"])
    assert numbers["runs"][0][0]["lyapunov"]["l1"]["growth"] == growth


def test_numbers_of_another_study_are_refused(claim, cells, written):
    other = claim.Cell("two rates", TINY, (0.5, 2.0), 20, seeds=2, level=0.8)
    with pytest.raises(UsageError, match="is of another study; choose another folder"):
        claim.measured(other, written / "numbers")


def test_a_run_that_failed_stops_the_page(claim, cells, tmp_path, monkeypatch):
    def failed(*words, **options):
        index = sweep(*words, **options)
        index["status"][:] = "failed"
        return index

    sweep = nndyn.sweep
    monkeypatch.setattr(nndyn, "sweep", failed)
    with pytest.raises(DataError, match="failed"):
        claim.write(cells[:1], tmp_path / "numbers", tmp_path / "claim.md")
    assert not (tmp_path / "claim.md").exists()


def test_images_that_are_not_there_are_left_out_in_a_sentence(
    claim, cells, written, tmp_path, monkeypatch, capsys
):
    def offline(name):
        raise DataError(f"{name} is not on this machine")

    monkeypatch.setattr(claim, "locate", offline)
    images = claim.SCALES["small"][-1]
    claim.write((*cells, images), written / "numbers", tmp_path / "claim.md")
    said = "Fashion-MNIST, 2000 images is left out"
    assert f"{said}: its images are not on this machine." in (tmp_path / "claim.md").read_text()
    assert said in capsys.readouterr().out


def test_a_page_without_a_run_says_what_was_not_run(claim, cells, written, tmp_path):
    more = claim.Cell("three", TINY, (0.5, 1.0, 4.0), 20)
    claim.write((*cells, more), written / "numbers", tmp_path / "claim.md", run=False)
    assert "**Not run yet:** three." in (tmp_path / "claim.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="has the numbers of no study"):
        claim.write((more,), written / "numbers", tmp_path / "claim.md", run=False)


def test_every_study_is_one_that_can_be_swept(claim):
    for cells in claim.SCALES.values():
        assert len({claim.slug(cell) for cell in cells}) == len(cells)
        for cell in cells:
            assert list(cell.rates) == sorted(cell.rates)
            assert json.loads(json.dumps(cell.asked())) == cell.asked()


def test_an_unknown_scale_is_refused(claim, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["claim.py", "--scale", "large"])
    with pytest.raises(SystemExit):
        claim.main()
    assert "the scale is 'large', expected small or page" in capsys.readouterr().err
