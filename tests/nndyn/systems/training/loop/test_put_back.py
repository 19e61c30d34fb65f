"""The user's objects after a loop was made and recorded: as they were, to the last bit."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

import nndyn
from nndyn.errors import UsageError
from tests.nndyn.systems.training.loop import loops

OPTIONS = {"steps": 12, "replicas": 1, "epsilon": 1e-3, "progress": False}


def snapshot(made):
    models = made.model.values() if isinstance(made.model, dict) else [made.model]
    found = {f"model {i}": m.state_dict() for i, m in enumerate(models)}
    found |= {name: one.state_dict() for name, one in made.stateful.items()}
    found["grad"] = [p.grad for m in models for p in m.parameters()]
    return copy.deepcopy(found)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("copying", [False, True])
@pytest.mark.parametrize("kind", ["adamw_groups", "averaged", "one_cycle", "gan", "accumulation"])
def test_everything_is_as_it_was(tmp_path, monkeypatch, kind, copying, trained):
    if copying:
        monkeypatch.setattr("nndyn.systems.training.loop.trial._can_rebind", lambda *a: False)
    made = loops.ALL[kind]()
    batch = next(iter(made.batches))
    before = snapshot(made)
    loop = made.system()
    assert same(snapshot(made), before)
    if trained:  # between: the recording begins where the loop was made, and gives back this
        made.step(batch, 0) if kind == "accumulation" else made.step(batch)
        before = snapshot(made)
    gradients = [p.grad for p in nn.ModuleList(_models(made)).parameters()]
    nndyn.record(loop, tmp_path / "r.nc", **OPTIONS).close()
    assert same(snapshot(made), before)
    after = [p.grad for p in nn.ModuleList(_models(made)).parameters()]
    assert all(a is b for a, b in zip(gradients, after, strict=True))


def _models(made):
    return list(made.model.values()) if isinstance(made.model, dict) else [made.model]


@pytest.mark.parametrize("call", range(9))
def test_ctrl_c_in_the_trial_leaves_nothing_behind(call):
    made = loops.adamw_groups()
    before, count, inner = snapshot(made), [0], made.step

    def step(batch):
        count[0] += 1
        if count[0] == call + 1:
            inner(batch)
            raise KeyboardInterrupt
        return inner(batch)

    made.step = step
    try:
        made.system()
    except KeyboardInterrupt:
        assert same(snapshot(made), before)


def test_buffers_that_others_hold_stay_theirs(tmp_path):
    model = loops.network()
    model.register_buffer("mask", torch.ones(8, 6, dtype=torch.bool))
    held, optimizer = model.mask, torch.optim.SGD(model.parameters(), lr=0.1)

    def step(batch, t):
        if t in (1, 7):
            held[t] = False
        with torch.no_grad():
            model[0].weight.mul_(model.mask)
        optimizer.zero_grad()
        loops.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()

    made = loops.Made(step, loops.loader(), model, {"optimizer": optimizer})
    run = nndyn.record(made.system(), tmp_path / "r.nc", **OPTIONS)
    assert model.mask is held
    assert held.all()
    for t, batch in nndyn.replay(made.batches):
        np.testing.assert_array_equal(run["state"].values[t, 0], made.weights().astype("f4"))
        if t == 11:
            break
        step(batch, t)


def test_averages_that_are_swapped_later(tmp_path):
    class Two:
        def __init__(self, model):
            self.one = {n: p.detach().clone() for n, p in model.named_parameters()}
            self.other = {n: 2 * p.detach().clone() for n, p in model.named_parameters()}

        def state_dict(self):
            return {"one": self.one, "other": self.other}

        def load_state_dict(self, state):
            self.one, self.other = state["one"], state["other"]

    def made():
        model = loops.network()
        optimizer, two = torch.optim.SGD(model.parameters(), lr=0.1), Two(model)

        def step(batch, t):
            optimizer.zero_grad()
            loss = loops.cross_entropy(model(batch[0]), batch[1])
            for name, p in model.named_parameters():
                loss = loss + 0.1 * (p - two.one[name]).square().sum()
            loss.backward()
            optimizer.step()
            if t % 5 == 4:
                two.one, two.other = two.other, two.one

        return loops.Made(step, loops.loader(), model, {"optimizer": optimizer, "two": two})

    run = nndyn.record(made().system(), tmp_path / "r.nc", **OPTIONS)
    plain = made()
    for t, batch in nndyn.replay(plain.batches):
        np.testing.assert_array_equal(run["state"].values[t, 0], plain.weights().astype("f4"))
        if t == 12:
            break
        plain.step(batch, t)


def test_loops_that_share_a_loader_with_a_generator_of_its_own(tmp_path):
    generator = torch.Generator().manual_seed(3)
    data = TensorDataset(*loops.data())
    sampler = RandomSampler(data, replacement=True, generator=generator)
    shared, before = DataLoader(data, 12, sampler=sampler), generator.get_state()

    def made(rate):
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        return loops.ordinary(model, optimizer, shared).system()

    paths = [tmp_path / f"{i}.nc" for i in range(3)]
    options = {k: v for k, v in OPTIONS.items() if k != "steps"}
    nndyn.record_batch([made(0.1), made(0.2)], paths[:2], steps=40, **options)
    assert torch.equal(generator.get_state(), before)
    nndyn.record(made(0.1), paths[2], steps=40, **options).close()
    with nndyn.open(paths[0]) as together, nndyn.open(paths[2]) as alone:
        np.testing.assert_array_equal(together["state"].values, alone["state"].values)


@pytest.mark.parametrize("kind", ["bf16", "mixed"])
def test_rescaled_states_are_what_the_tensors_hold(tmp_path, kind):
    if kind == "bf16":
        made, epsilon = loops.bf16(), 0.05
    else:
        model = loops.network()
        model.register_buffer("count", torch.zeros(1, dtype=torch.float64))
        made = loops.ordinary(model, torch.optim.SGD(model.parameters(), lr=0.1))
        epsilon = 1e-3
        with pytest.raises(UsageError, match="below the rounding of float32"):
            nndyn.record(made.system(), tmp_path / "x.nc", **{**OPTIONS, "epsilon": 1e-8})
    run = nndyn.record(
        made.system(), tmp_path / "r.nc", rescale=3, **{**OPTIONS, "epsilon": epsilon}
    )
    states = torch.from_numpy(run["state"].values.copy())
    narrow = torch.bfloat16 if kind == "bf16" else torch.float32
    assert torch.equal(states.to(narrow).to(states.dtype), states)


def test_what_a_first_call_sets_up_is_refused():
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.done, self.scale = False, nn.Parameter(torch.ones(1))

        def forward(self, x):
            if not self.done:
                self.scale.data = x.std().reshape(1).detach()
                self.done = True
            return x / self.scale

    model = loops.network(First())
    made = loops.ordinary(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(UsageError, match="something in it is set up by the first call"):
        made.system()


def test_an_optimizer_of_parameters_that_nobody_lists_is_refused():
    model, temperature = loops.network(), nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.Adam([*model.parameters(), temperature], lr=0.1)
    with pytest.raises(UsageError, match=r"optimizer trains parameter 4 of its group 0, of shape"):
        loops.ordinary(model, optimizer).system()
    assert temperature.item() == 0.0


@pytest.mark.parametrize("how", ["shared", "expanded"])
def test_memory_that_is_shared_is_named(how):
    model = loops.network()
    model.extra = nn.Linear(6, 8)
    if how == "shared":
        model.extra.weight.data = model[0].weight.data
        message = "extra.weight shares its memory with 0.weight"
    else:
        model.register_buffer("ones", torch.ones(1).expand(6))
        message = "ones is expanded"
    made = loops.ordinary(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(UsageError, match=message):
        made.system()


def test_a_step_that_looks_at_gradients_it_accumulates(tmp_path):
    model = loops.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(batch, t):
        loops.cross_entropy(model(batch[0]), batch[1]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
        if t % 2:
            optimizer.step()
            optimizer.zero_grad()

    made = loops.Made(step, loops.loader(), model, {"optimizer": optimizer})
    assert nndyn.record(made.system(), tmp_path / "r.nc", **OPTIONS).attrs["status"] == "complete"


def test_an_evaluation_over_the_loader_of_the_training(tmp_path):
    batches = DataLoader(
        TensorDataset(*loops.data()), 12, shuffle=True, num_workers=1, persistent_workers=True
    )
    model = loops.network()
    made = loops.ordinary(model, torch.optim.SGD(model.parameters(), lr=0.1), batches)

    def evaluate():
        with torch.no_grad():
            return {"loss": sum(loops.cross_entropy(model(x), y) for x, y in batches) / 4}

    run = nndyn.record(made.system(evaluate=evaluate), tmp_path / "r.nc", evaluate=3, **OPTIONS)
    assert run.attrs["status"] == "complete"
