"""The HTTP endpoints, and the response that carries batches."""
