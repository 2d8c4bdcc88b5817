"""The page at /status: what the server is doing, live."""
