"""Startup, shutdown and the state that lives between them."""
