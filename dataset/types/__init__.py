"""The types of columns: inferred from text and numbers, or named by the client; readings of values in other formats."""
