"""The page of one sample, and its pictures."""
