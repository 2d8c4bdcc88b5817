"""The debug picture of one sample."""
