"""Definition files: find, parse, load, edit in place, write, replace."""
