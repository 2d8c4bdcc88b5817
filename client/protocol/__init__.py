"""The conversation with a server, without I/O."""
