"""Measure what limits growth, and compute from it what ten thousand workers and a billion jobs a month need."""
