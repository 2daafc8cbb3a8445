"""Finds, validates, draws and renders analyses; analyses import ``analyses.kit`` only."""
