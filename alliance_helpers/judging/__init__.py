"""From an estimate to a verdict: behind `findings`."""
