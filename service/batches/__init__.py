"""From a request for batches to the bytes of its response."""
