"""An unknown file to a draft codebook."""
