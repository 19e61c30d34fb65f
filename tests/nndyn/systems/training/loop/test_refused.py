"""What cannot be a loop is refused by name, before any work."""

import functools
import itertools

import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import UsageError
from tests.nndyn.systems.training.loop import loops

cross_entropy = nn.functional.cross_entropy


def made(**without):
    """A step that uses a scheduler, a scaler and a teacher beside model and optimizer."""
    model, teacher = loops.network(), loops.network(seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    tools = {"teacher": [teacher]}

    def backward(loss):
        scaler.scale(loss).backward()

    def step(batch):
        optimizer.zero_grad()
        with torch.no_grad():
            target = tools["teacher"][0](batch[0]).softmax(dim=1)
        backward(cross_entropy(model(batch[0]), target))
        scaler.step(optimizer)
        scheduler.step()

    given = {"optimizer": optimizer, "scheduler": scheduler, "scaler": scaler, "teacher": teacher}
    return step, model, given


@pytest.mark.parametrize("missing", ["optimizer", "scheduler", "scaler", "teacher"])
def test_what_is_not_listed_is_refused_by_name(missing):
    step, model, given = made()
    del given[missing]
    with pytest.raises(UsageError, match=f"the step uses .*{missing}.*that is not listed"):
        nndyn.Loop(step, loops.loader(), model=model, stateful=given)
    step, model, given = made()
    nndyn.Loop(step, loops.loader(), model=model, stateful=given)


@pytest.mark.parametrize("form", ["partial", "bound", "callable"])
def test_what_is_not_listed_is_seen_through_every_form_of_a_step(form):
    model = loops.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def function(optimizer, batch):
        optimizer.zero_grad()
        cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()

    class Callable:
        def __init__(self):
            self.optimizer = optimizer

        def __call__(self, batch):
            function(self.optimizer, batch)

        step = __call__

    step = {
        "partial": functools.partial(function, optimizer),
        "bound": Callable().step,
        "callable": Callable(),
    }[form]
    with pytest.raises(UsageError, match=r"an optimizer .SGD. that is not listed"):
        nndyn.Loop(step, loops.loader(), model=model)
    nndyn.Loop(step, loops.loader(), model=model, stateful={"optimizer": optimizer})


def test_an_optimizer_inside_an_optimizer_is_seen():
    class Outer(torch.optim.SGD):
        def __init__(self, parameters, inner):
            super().__init__(parameters, lr=0.1)
            self.inner = inner

        def step(self, closure=None):
            self.inner.step(closure)

    model = loops.network()
    outer = Outer(model.parameters(), torch.optim.Adam(model.parameters(), lr=0.1))
    loop = loops.ordinary(model, outer)
    with pytest.raises(UsageError, match=r"'optimizer.inner', an optimizer \(Adam\)"):
        loop.system()
    loop.stateful["inner"] = outer.inner
    loop.system()


def test_a_loss_with_weights_need_not_be_listed_unless_it_changes():
    class Counting(nn.CrossEntropyLoss):
        def forward(self, output, target):
            with torch.no_grad():
                self.weight.mul_(0.99)
            return super().forward(output, target)

    for kind, fine in ((nn.CrossEntropyLoss, True), (Counting, False)):
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        criterion = kind(weight=torch.tensor([1.0, 2.0]))

        def step(batch, model=model, optimizer=optimizer, criterion=criterion):
            optimizer.zero_grad()
            criterion(model(batch[0]), batch[1]).backward()
            optimizer.step()

        def build(step=step, model=model, optimizer=optimizer):
            return nndyn.Loop(
                lambda batch: step(batch),
                loops.loader(),
                model=model,
                stateful={"optimizer": optimizer},
            )

        if fine:
            build()


def test_lbfgs_is_refused_by_name():
    model = loops.network()
    loop = loops.ordinary(model, torch.optim.LBFGS(model.parameters()))
    with pytest.raises(UsageError, match=r"stateful .optimizer. is LBFGS"):
        loop.system()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": None}, "model is None, expected a torch module"),
        ({"model": {}}, "model is {}, expected a torch module"),
        ({"stateful": [1]}, "stateful is list, expected a dict"),
        ({"stateful": {"a": 1}}, "stateful 'a' is int, expected an object with state_dict"),
        ({"seed": -1}, "seed is -1, expected a whole number, 0 or more"),
        ({"steps_per_epoch": 0}, "steps_per_epoch is 0, expected a whole number, 1 or more"),
        ({"evaluate": 3}, "evaluate is 3, expected a function"),
        ({"evaluate": lambda: 3}, "evaluate returns int, expected a dict of numbers"),
        ({"evaluate": lambda: {"a b": 3}}, "named 'a b', expected letters"),
        ({"evaluate": lambda: {"output": 3}}, "returns int as 'output', expected a tensor"),
        ({"evaluate": lambda: {"loss": "x"}}, "returns str as 'loss', expected a number"),
        ({"evaluate": lambda: 1 / 0}, "evaluate failed: ZeroDivisionError"),
    ],
)
def test_wrong_arguments(changed, message):
    loop = loops.sgd()
    before = loop.weights()
    with pytest.raises(UsageError) as caught:
        loop.system(**changed)
    assert message in str(caught.value)
    assert (loop.weights() == before).all()  # put back, whatever happened


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (iter([1]), "can be gone through once"),
        (itertools.cycle([1]), "can be gone through once"),
        ([], "batches is empty"),
        (None, "step takes a batch, and there are none"),
        (3, "batches is 3, expected a DataLoader"),
    ],
)
def test_wrong_batches(batches, message):
    loop = loops.sgd()
    with pytest.raises(UsageError, match=message):
        nndyn.Loop(loop.step, batches, model=loop.model, stateful=loop.stateful)


def test_wrong_steps():
    loop = loops.sgd()
    for step, message in (
        (3, "step is 3, expected a function"),
        (lambda: None, "step takes no batch"),
        (lambda a, b, c: None, "step takes 3 arguments"),
        (lambda batch: 1 / 0, "step failed at time 0: ZeroDivisionError"),
        (lambda batch: "x", "a step returns str, expected nothing, a number"),
        (lambda batch: {"x": torch.ones(2)}, "a step returns Tensor as 'x', expected a number"),
        (lambda batch, t: {"x": 1} if t else {"y": 1}, "does not always return 'x'"),
    ):
        with pytest.raises(UsageError) as caught:
            nndyn.Loop(step, loops.loader(), model=loop.model, stateful=loop.stateful)
        assert message in str(caught.value)


def test_an_evaluation_that_changes_the_state_is_refused_by_name():
    loop = loops.batch_norm()
    x, _ = loops.data()

    def evaluate():
        return {"loss": loop.model(x).mean()}  # in training mode: statistics move

    with pytest.raises(UsageError, match=r"evaluate changes 1.running_mean"):
        loop.system(evaluate=evaluate)


def test_a_state_that_no_text_holds_is_refused_by_name():
    loop = loops.own_average()
    loop.stateful["average"].decay = lambda: 0.9
    loop.stateful["average"].update = lambda model: None
    with pytest.raises(UsageError, match=r"average.* is of type builtins.function"):
        loop.system()


def test_a_perturbation_that_narrow_weights_do_not_hold_is_refused(tmp_path):
    loop = loops.bf16().system()
    with pytest.raises(UsageError, match=r"rounding of bfloat16 .*use at least 0.03"):
        nndyn.record(loop, tmp_path / "r.nc", steps=5, epsilon=1e-5)


def test_tangents_and_curvature_are_refused(tmp_path):
    loop = loops.sgd().system()
    for option in ({"tangents": 1}, {"sharpness": "every:2"}, {"quadratic_model": True}):
        with pytest.raises(UsageError, match=r"a step of your own has no derivative|no loss"):
            nndyn.record(loop, tmp_path / "r.nc", steps=5, epsilon=1e-3, **option)
    assert list(tmp_path.iterdir()) == []
