"""The seminar: its editions built from the notebooks and checked, its units served as pages."""
