"""Training: the loop, its optimizers and schedules, checkpoints, and the measurements a plan asks for."""
