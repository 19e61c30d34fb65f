"""A callback of Lightning that records the weights: ``Recorder``, made when it is first used."""

from __future__ import annotations

import sys
from typing import Any

from nndyn.integrations.logged import Latest
from nndyn.integrations.recorder import TrainerRecorder, made


class _Recorder(TrainerRecorder):
    """Callback of a Lightning ``Trainer`` that records the weights by `nndyn.watch`.

    Parameters and errors are those of `nndyn.watch`. A checkpoint of the trainer holds where the
    recording is, and ``fit(…, ckpt_path=…)`` goes on with it from there. What is logged for a batch
    is stored as ``batch_NAME``, what for a validation or an epoch as ``metric_NAME``; ``test_loss``
    and ``test_accuracy`` by these names.
    """

    _loaded: dict[str, Any] | None = None
    _logged: Latest | None = None
    _before: int | None = None

    @property
    def state_key(self) -> str:
        """What tells this recorder from others in a checkpoint."""
        return f"nndyn.Recorder({str(self.path)!r})"

    def state_dict(self) -> dict[str, Any]:
        """Return where the recording is."""
        return self._standing()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take note of where the recording goes on."""
        self._loaded = state_dict

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the recording, or take it back to the checkpoint."""
        if trainer.is_global_zero:
            loaded = self._loaded or {}
            self._begin(pl_module, trainer.optimizers, trainer.global_step, loaded)
        self._loaded, self._logged, self._before = None, Latest(), self._step

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Record what was logged for a batch with which a step was made."""
        found = self._logged.take(trainer.callback_metrics) if self._logged else {}
        if self._step != self._before:
            self._log({f"batch_{name}": value for name, value in found.items()})
        self._before = self._step

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        """Record what was logged for a validation or an epoch."""
        if self._logged is None:  # a validation outside of a training
            return
        # in every process: numbers of an epoch may be gathered from all of them
        found, sets = self._logged.take(trainer.callback_metrics), ("test_loss", "test_accuracy")
        self._log({n if n in sets else f"metric_{n}": value for n, value in found.items()})

    on_train_epoch_end = on_validation_end

    def on_train_end(self, *_: Any) -> None:
        """End the recording."""
        self._end(complete=True)

    def on_exception(self, *_: Any) -> None:
        """Commit what there is."""
        self._end(complete=False)


def __getattr__(name: str) -> Any:
    """Make ``Recorder`` of the Lightning that is in use, or installed."""
    if name != "Recorder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    packages = ["lightning.pytorch", "pytorch_lightning"]
    packages.sort(key=lambda package: package not in sys.modules)
    globals()[name] = found = made(_Recorder, packages, "Callback")
    return found
