"""Legs of a run: the step in which a block is committed tells nothing of those behind it."""

import nndyn
from recorders import drive, request


class Counted:
    """A system that notes the steps of each leg."""

    def __init__(self, system):
        self._system, self.legs = system, []

    def __getattr__(self, attribute):
        return getattr(self._system, attribute)

    def advance(self, phase, start, steps, *arguments, **keywords):
        self.legs.append(steps)
        return self._system.advance(phase, start, steps, *arguments, **keywords)


def test_the_step_in_which_a_block_is_committed_does_not_shorten_the_legs_behind_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e9)
    monkeypatch.setattr(request, "_BLOCK_STEPS", 1000)
    system = Counted(nndyn.systems.henon(discard=0))
    nndyn.record(system, tmp_path / "a.nc", steps=9_999, replicas=1).close()
    assert sum(system.legs) >= 9_999
    assert len(system.legs) < 2 * 10 + 15
