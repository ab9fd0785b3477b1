"""The console: pages for people, inside the host app."""
