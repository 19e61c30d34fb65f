"""The plan of a study: files, batches, and in what a request differs from it."""

import json

import pytest

from nndyn.errors import RecordingError, UsageError
from nndyn.studies.design import design, differences
from nndyn.studies.plan import parse, text
from nndyn.studies.request import request
from tests.nndyn.studies.small import MAP, TRAINING


def training(seeds=2, **options):
    return request("training", {**TRAINING, **options}, seeds=seeds)


def test_a_plan_reads_back_and_is_the_same_every_time_but_for_its_identity():
    asked = training(lr=[0.5, 1.0], activation=["tanh", "relu"])
    first, second = design(asked), design(asked)
    assert parse(text(first), "here") == first
    assert first.batches == second.batches
    assert first.id != second.id
    assert [b.name for b in first.batches] == [b.name for b in second.batches]


def test_runs_of_a_batch_agree_in_what_changes_the_shape():
    planned = design(training(lr=[0.5, 1.0], model=["mlp:4-8-3", "mlp:4-3"], rescale=[5, 10]))
    assert len(planned.cells) == 16
    for batch in planned.batches:
        assert len({(c.at["model"], c.at["rescale"]) for c in batch.cells}) == 1
    assert len(planned.batches) == 4
    steps = design(request("logistic", {**MAP, "steps": [10, 20], "r": [3.5, 4.0]}))
    assert sorted(batch.steps for batch in steps.batches) == [10, 20]


def test_batches_are_bounded():
    planned = design(request("logistic", {**MAP, "r": [4.0]}, seeds=150))
    sizes = [len(batch.cells) for batch in planned.batches]
    assert sum(sizes) == 150
    assert max(sizes) <= 64
    assert len({cell.file for cell in planned.cells}) == 150


def test_a_study_that_grows_keeps_the_files_of_its_runs():
    old = design(training(lr=[1, 2]))
    files = {(c.at["lr"], c.at["seed"]): c.file for c in old.cells}
    new = design(training(lr=[0.5, 1.0, 1 + 1e-9, 2.0], seeds=3), before=old)
    grown = {(c.at["lr"], c.at["seed"]): c.file for c in new.cells}
    assert new.id == old.id
    assert len(set(grown.values())) == 12
    assert {place: grown[place] for place in files} == files


def test_seeds_that_differ_beyond_floats_are_different_runs():
    old = design(request("logistic", MAP, seeds=[2**60]))
    new = design(request("logistic", MAP, seeds=[2**60, 2**60 + 1]), before=old)
    assert len({cell.file for cell in new.cells}) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": [0.5, -1.0]}, "lr=-1.0: lr is -1.0, expected a finite number above 0"),
        ({"model": ["mlp:4-8-3", "mlp:5-3"]}, r"model=mlp:5-3: .*5"),
        ({"model": ["mlp:4-3"], "data": ["iris", "wine"]}, r"model=mlp:4-3, data=wine: "),
        ({"epsilon": [1e-6, -1.0]}, "epsilon=-1.0: epsilon is -1.0"),
        ({"momentum": [0.5, 1.5]}, "momentum=1.5: momentum is 1.5"),
        ({"replicas": [2, 3], "pairs": True}, "replicas=3: "),
        ({"steps": [0, 10]}, "steps=0: steps is 0"),
        ({"store": ["full", "some"]}, "store=some: store is 'some'"),
    ],
)
def test_grids_that_contradict_each_other_are_refused_with_the_combination(options, message):
    with pytest.raises(UsageError, match=message):
        design(training(**options))


def test_differences_say_both_values():
    old = design(training(lr=[0.5, 1.0], momentum=0.5))

    def found(grow=False, **options):
        return differences(
            old, training(**{"lr": [0.5, 1.0], "momentum": 0.5, **options}).describe(), grow=grow
        )

    assert found() == []
    assert found(momentum=0.9) == ["momentum is 0.5 in the folder, 0.9 asked"]
    assert found(optimizer="adam") == ["optimizer is not there in the folder, adam asked"]
    assert found(lr=[0.5, 2.0]) == [
        "lr has 2 values (0.5, 1) in the folder, 2 values (0.5, 2) asked"
    ]
    assert found(lr=0.5) == ["lr is swept in the folder, fixed asked"]
    assert found(momentum=[0.5, 0.9]) == ["momentum is fixed in the folder, swept asked"]
    assert found(steps=60) == ["steps is 30 in the folder, 60 asked"]
    assert found(grow=True, steps=60, lr=[0.5, 1.0, 2.0]) == []
    assert found(grow=True, steps=20) == ["steps is 30 in the folder, 20 asked"]
    assert len(found(grow=True, lr=[1.0])) == 1
    other = request("logistic", {**MAP, "r": [3.9]}).describe()
    assert (
        differences(old, other, grow=True)[0] == "system is training in the folder, logistic asked"
    )


DAMAGE = {
    "no batches": lambda tree: tree.pop("batches"),
    "axes without names": lambda tree: tree.update(axes=[1]),
    "a run off the axes": lambda tree: tree["batches"][0]["cells"][0]["at"].update(lr=99.0),
    "a run without seed": lambda tree: tree["batches"][0]["cells"][0]["at"].pop("seed"),
    "a file elsewhere": lambda tree: tree["batches"][0]["cells"][0].update(file="../../x.nc"),
    "steps in words": lambda tree: tree["batches"][0].update(steps="many"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_plan_that_makes_no_sense_is_damaged(damage):
    tree = json.loads(text(design(training(lr=[0.5]))))
    del tree["sha256"]  # as earlier versions wrote it
    DAMAGE[damage](tree)
    with pytest.raises(RecordingError, match="here is no plan of a study"):
        parse(json.dumps(tree), "here")


def test_no_json_and_newer_schemas_are_told_apart():
    with pytest.raises(RecordingError, match="here is no JSON"):
        parse("{", "here")
    with pytest.raises(RecordingError, match="here has schema 99, this nndyn knows 1; use a newer"):
        parse('{"nndyn_study": 99}', "here")
