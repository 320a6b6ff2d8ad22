"""What the scenarios' cohorts are drawn from, worked out once and shipped as data."""
