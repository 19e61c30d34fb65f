"""Where a training begins that was under way before: a checkpoint, a recording."""
