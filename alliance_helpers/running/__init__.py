"""Running notebooks, one or thousands: kernels, workers, batches."""
