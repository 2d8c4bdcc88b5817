"""Watching a running server: snapshots of it, taken once a second and sent to everyone who watches."""
