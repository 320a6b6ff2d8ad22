"""The stress tests and the specifications behind `stress` and `multiverse`."""
