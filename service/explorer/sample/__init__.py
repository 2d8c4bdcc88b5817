"""The page of one sample."""
