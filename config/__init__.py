"""What all processes share: settings and logging."""

__version__ = "0.1.0"
