"""One app's state in one process: readiness, the host's hooks, signals."""
