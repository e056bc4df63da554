"""Benchmark of bidsmask against nilearn: ``python -m benchmarks``."""
