"""A first codebook from a study's own files, every guess marked."""
