"""Room for rows is used again when, and only when, nobody has a view of it."""

import gc

import numpy as np
import pytest
import torch

from nndyn.systems.training.execution.large import Room

VIEWS = {
    "the rows": lambda rows: rows,
    "a row": lambda rows: rows[1],
    "columns": lambda rows: rows[:, 2:5],
    "numpy": lambda rows: rows.numpy(),
    "a row in numpy": lambda rows: rows.numpy()[1],
    "another shape": lambda rows: rows.view(2, 2, 4),
    "from numpy, once more": lambda rows: torch.from_numpy(rows.numpy()[2:].reshape(-1)),
    "an iterator": lambda rows: iter(rows.numpy()),
    "a buffer": lambda rows: memoryview(rows.numpy()),
}


def address(rows):
    return rows.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_room_is_kept_while_there_is_a_view_of_it(view, dtype):
    room, shape = Room(), torch.zeros(4, 4, dtype=dtype)
    first = room.like(shape)
    assert first.shape == shape.shape
    assert first.dtype == dtype
    place, held = address(first), view(first)
    del first
    gc.collect()
    assert address(room.like(shape)) != place
    del held
    gc.collect()
    again = room.like(shape)
    assert address(again) != address(room.like(shape))


def test_what_is_left_is_used_again_for_the_same_size_alone():
    room, shape = Room(), torch.zeros(4, 4)
    rows = room.like(shape)
    place = address(rows)
    del rows
    assert address(room.like(shape)) == place  # and left again at once
    larger = room.like(torch.zeros(5, 4))
    assert larger.shape == (5, 4)


def test_rows_outlive_their_room():
    room = Room()
    rows = room.like(torch.zeros(300, 300))
    rows[:] = 7.0
    part = rows.numpy()[100:]
    del room, rows
    gc.collect()
    np.empty((300, 300), np.float32)[:] = 1.0
    assert (part == 7.0).all()
