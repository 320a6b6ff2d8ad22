"""Arrays to tidy tables; nothing here knows a codebook or a claim."""
