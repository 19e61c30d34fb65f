"""Update rules, their derivatives, and schedules of the learning rate."""
