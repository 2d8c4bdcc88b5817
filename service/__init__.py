"""The server that makes samples and streams them."""
