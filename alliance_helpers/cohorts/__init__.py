"""The cohort a notebook works on: shipped, your own, or simulated with a stated truth."""
