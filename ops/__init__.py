"""What operators run: health probes, back-ups, the invariants, the development server, passwords."""
