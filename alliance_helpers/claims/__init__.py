"""A claim and a cohort to an estimate and a verdict."""
