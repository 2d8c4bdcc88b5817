"""The memory-mapped index of an annotation file."""
