"""The commands of ``flask seed-templates`` and ``flask worker-templates``."""
