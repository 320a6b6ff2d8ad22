"""The engines behind the models: least squares, stepwise, CR2, mixed, counts, resamples."""
