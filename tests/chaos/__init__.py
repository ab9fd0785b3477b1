"""Fault injection: the store and the whole app under kills, slow and refusing servers, and races."""
