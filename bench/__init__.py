"""Benchmark programs, run as ``python -m bench.NAME``; results lie in bench/results."""
