"""What analyses are found, validated, drawn and stored with; ``analyses.kit`` is all that an analysis imports of it."""
