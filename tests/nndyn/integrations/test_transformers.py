"""Trainings by a Trainer of transformers are recorded by one callback."""

import copy
import json
import pickle

import numpy as np
import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from tests.nndyn.integrations.trainings import StoppedError, contents, row

for library in ("transformers", "accelerate"):
    pytest.importorskip(
        library, reason=f"{library} is not installed: pip install 'nndyn[integrations]'"
    )
import transformers  # noqa: E402

from nndyn.integrations.transformers import Recorder  # noqa: E402
from tests.nndyn.integrations.by_transformers import (  # noqa: E402
    STEPS,
    TEXTS,
    VARIANTS,
    Rows,
    network,
    train,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about themselves


@pytest.mark.parametrize(("variant", "every"), [*((one, 1) for one in VARIANTS), ("plain", 5)])
def test_a_recorded_training_has_the_bits_of_an_untouched_one(tmp_path, variant, every):
    rows, path = Rows(), tmp_path / "run.nc"
    plain = train(tmp_path, variant, rows)
    recorded = train(tmp_path, variant, Recorder(path, every=every))
    np.testing.assert_array_equal(row(recorded), row(plain))
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "complete"
        assert run["time"].values.tolist() == list(range(0, STEPS + 1, every))
        np.testing.assert_array_equal(run["state"].values[:, 0], np.array(rows.rows)[::every])
    assert verify(path).problems == ()


def test_what_is_logged_stands_at_the_steps_it_is_of(tmp_path):
    class Log(transformers.TrainerCallback):
        losses, evaluated = [], []

        def on_log(self, args, state, control, logs, **of):
            self.losses += [logs["loss"]] if "loss" in logs else []
            self.evaluated += [logs["eval_loss"]] if "eval_loss" in logs else []

    path, options = tmp_path / "run.nc", {"eval_strategy": "steps", "eval_steps": 6}
    train(tmp_path, "plain", Recorder(path, every=2), Log(), eval_on_start=True, **options)
    with nndyn.open(path) as run:
        assert run["batch_time"].values.tolist() == list(range(STEPS))
        np.testing.assert_array_equal(run["batch_loss"][:, 0], Log.losses)
        assert {n for n in run if n.startswith(("batch_", "metric_"))} == {
            "batch_loss",
            "batch_grad_norm",
            "batch_learning_rate",
            "metric_eval_loss",
        }
        assert run["evaluation_time"].values.tolist() == [0, 6, 12, 18, 24]
        np.testing.assert_array_equal(run["metric_eval_loss"][:, 0], Log.evaluated)


@pytest.mark.parametrize(
    ("variant", "at", "restored"), [*((one, 10, False) for one in VARIANTS), ("plain", 15, True)]
)
def test_stopped_and_resumed_it_gives_the_recording_of_an_unbroken_one(
    tmp_path, variant, at, restored
):
    path, options = tmp_path / "run.nc", {"eval_strategy": "steps", "eval_steps": 4}
    train(tmp_path, variant, Recorder(tmp_path / "whole.nc", every=3), **options)
    saving = {"save_strategy": "steps", "save_steps": 5}
    recorder = Recorder(path, every=3)
    with pytest.raises(StoppedError):
        train(tmp_path, variant, recorder, Rows(18), **saving, **options)
    kept = {"start": str(tmp_path / f"checkpoint-{at}"), **options}
    if restored:  # by the trainer, which makes another recorder of what this one says
        kept |= {"restore_callback_states_from_checkpoint": True}
    recorder._end(complete=False)  # as the end of the program would
    train(tmp_path, variant, Recorder(path, every=3), **kept)
    assert contents(path).identical(contents(tmp_path / "whole.nc"))
    assert verify(path).problems == ()


def test_in_one_program_too(tmp_path):
    path = tmp_path / "run.nc"
    recorder = Recorder(path)
    with pytest.raises(StoppedError):
        train(tmp_path, "plain", recorder, Rows(9), save_strategy="steps", save_steps=4)
    train(tmp_path, "plain", recorder, start=str(tmp_path / "checkpoint-8"))
    train(tmp_path, "plain", Recorder(tmp_path / "whole.nc"))
    assert contents(path).identical(contents(tmp_path / "whole.nc"))


def test_a_checkpoint_goes_on_with_its_own_file_alone(tmp_path):
    first, second, other = (tmp_path / name for name in ("first.nc", "second.nc", "other.nc"))
    saving = {"save_strategy": "steps", "save_steps": 4}
    train(tmp_path, "plain", Recorder(first), Recorder(second, every=2), steps=12, **saving)
    start, again = str(tmp_path / "checkpoint-8"), tmp_path / "again"
    options = {"steps": 10, "start": start}
    train(again, "plain", Recorder(second, every=2), Recorder(other), **options)
    for path, times in ((first, range(13)), (second, range(0, 11, 2)), (other, range(3))):
        assert contents(path)["time"].values.tolist() == list(times)
    first.unlink()
    with pytest.raises(UsageError, match=r"first.nc is not there, and the trainer's checkpoint"):
        train(again, "plain", Recorder(first), **options)
    with pytest.raises(UsageError, match="every is 2 in the file, 1 here"):
        train(again, "plain", Recorder(second), **options)
    assert not first.exists()
    assert contents(second)["time"].values.tolist() == list(range(0, 11, 2))


def test_checkpoints_of_before_there_was_a_recorder_are_gone_on_with(tmp_path):
    path, saving = tmp_path / "run.nc", {"save_strategy": "steps", "save_steps": 4}
    train(tmp_path, "plain", steps=8, **saving)
    train(tmp_path, "plain", Recorder(path), start=str(tmp_path / "checkpoint-4"), **saving)
    assert contents(path)["time"].values.tolist() == list(range(STEPS - 3))
    told = json.loads((tmp_path / "checkpoint-12" / "trainer_state.json").read_text())
    assert told["stateful_callbacks"]["Recorder"]["attributes"]["standing"]["step"] == 8


def test_a_training_from_the_start_leaves_a_file_alone_or_is_let_go_on(tmp_path):
    path, recorder = tmp_path / "run.nc", Recorder(tmp_path / "run.nc")
    train(tmp_path, "plain", recorder, steps=6)
    for one in (recorder, Recorder(path)):
        with pytest.raises(UsageError, match=r"run.nc exists; .*resume=True"):
            train(tmp_path, "plain", one, steps=6)
    before = contents(path)
    assert before["step_length"].values[1, 0] == 0  # a warm-up begins with nothing
    train(tmp_path, "plain", Recorder(path, resume=True), steps=6)
    assert contents(path).identical(before)


def test_a_trainer_that_would_lose_the_logger_is_told_of_it(tmp_path):
    recorder = Recorder(tmp_path / "run.nc", logger=print)
    saving = {"save_strategy": "steps", "save_steps": 4}
    train(tmp_path, "plain", recorder, steps=4, **saving)
    options = {"restore_callback_states_from_checkpoint": True}
    with pytest.raises(UsageError, match="logger is '<built-in function print>', expected a func"):
        train(tmp_path, "plain", recorder, start=str(tmp_path / "checkpoint-4"), **options)


def test_it_is_a_callback_that_can_be_copied(tmp_path):
    recorder = Recorder(tmp_path / "run.nc", every=2)
    for other in (copy.deepcopy(recorder), pickle.loads(pickle.dumps(recorder))):
        assert type(other) is Recorder
        assert other.state() == recorder.state()
    assert type(recorder.from_state(recorder.state())) is Recorder
    assert "nndyn.watch" in Recorder.__doc__
    assert nndyn.integrations.transformers.Recorder is Recorder


def test_twins_have_a_control_of_exactly_zero(tmp_path):
    """With dropout, a shuffle, AdamW with groups, warm-up and clipping."""

    def call(model):
        given = transformers.TrainingArguments(
            str(tmp_path),
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            max_steps=200,
            learning_rate=0.01,
            weight_decay=0.1,
            warmup_steps=20,
            per_device_train_batch_size=4,
            save_strategy="no",
        )
        transformers.Trainer(model, given, train_dataset=TEXTS).train()

    run = nndyn.twins(call, network(), tmp_path / "run.nc", replicas=1, epsilon=1e-5)
    assert run["time"].values.tolist() == list(range(201))
    assert run["role"].values.tolist() == [0, 1, 2]
    assert not run["distance_l2"].values[:, 2].any()
    assert run["distance_l2"].values[:, 1].all()
    run.close()
