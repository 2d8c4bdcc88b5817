"""The CornerNet-Saccade family."""
