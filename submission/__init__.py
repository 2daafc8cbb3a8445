"""Submitting jobs: the schema of a posted job, its validation, and the limits of a dataset."""
