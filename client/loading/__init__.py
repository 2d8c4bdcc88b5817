"""The loader: batches received and rendered in a process of its own."""
