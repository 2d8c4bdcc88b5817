"""The loader: batches received and rendered in its own process."""
