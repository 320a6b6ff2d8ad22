"""Notebooks to runs and batches."""
