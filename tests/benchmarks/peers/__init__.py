"""The contestants: one small app each, with the same resource at `PATH`, as a user of that stack would write it.

They run in the benchmarks' own environment, in a process each. All are told their database by the environment.
"""
