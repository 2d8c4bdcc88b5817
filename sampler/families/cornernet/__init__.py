"""The CornerNet family: CornerNet and CornerNet-Squeeze."""
