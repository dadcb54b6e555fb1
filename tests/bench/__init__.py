"""Measures speed as ratios within one run, because a machine's own speed drifts by a factor of two. See `__main__`."""
