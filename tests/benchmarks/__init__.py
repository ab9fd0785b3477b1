"""Benchmarks: the extension beside its peers and beside the limits, on one real MongoDB server."""
