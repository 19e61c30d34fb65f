"""A callback of transformers that records the weights: ``Recorder``, made when it is first used."""

from __future__ import annotations

from typing import Any

from nndyn.errors import is_number
from nndyn.integrations.recorder import TrainerRecorder, made

#: What a trainer logs of clocks and counters: names, and ends of names.
_COUNTERS = ("epoch", "num_input_tokens_seen")
_CLOCKS = ("_runtime", "_per_second", "_preparation_time")


class _Recorder(TrainerRecorder):
    """Callback of a ``Trainer`` of transformers that records the weights by `nndyn.watch`.

    Parameters and errors are those of `nndyn.watch`. A checkpoint of the trainer holds where the
    recording is, and ``train(resume_from_checkpoint=…)`` goes on with it from there. What the
    trainer logs is stored as ``batch_NAME``, what of evaluations as ``metric_eval_NAME``.
    """

    def state(self) -> dict[str, Any]:
        """Return where the recording is, for ``trainer_state.json``."""
        # of `args` a trainer may make another; of a text in place of a function `watch` will not
        logger = None if self._logger is None else repr(self._logger)
        args = {"every": self._every, "logger": logger, "resume": self._resume}
        args["path"] = str(self.path)
        return {"args": args, "attributes": {"standing": self._standing()}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **of: Any) -> None:
        """Begin the recording, or take it back to the checkpoint."""
        if not state.is_world_process_zero:
            return
        # set: else a trainer could not add it to a checkpoint after one made without a recorder
        kept = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        states = kept if isinstance(kept, list) else [kept]  # of several recorders, of all times
        mine = [one for one in states if one.get("args", {}).get("path") == str(self.path)]
        standing = mine[-1]["attributes"]["standing"] if mine and state.global_step else {}
        self._begin(of["model"], of["optimizer"], state.global_step, standing)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        """Record what the trainer logs, but for the summary at the end."""
        if logs.keys() >= {"train_loss", "train_runtime"}:  # a mean over this call alone
            return
        self._log(
            {
                f"metric_{name}" if name.startswith("eval_") else name: value
                for name, value in logs.items()
                if is_number(value) and name not in _COUNTERS and not name.endswith(_CLOCKS)
            }
        )

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End the recording."""
        self._end(complete=True)


def __getattr__(name: str) -> Any:
    """Make ``Recorder`` of the transformers that are installed."""
    if name != "Recorder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    bases = "TrainerCallback", "ExportableState"
    globals()[name] = found = made(_Recorder, ["transformers.trainer_callback"], *bases)
    return found
