"""Capacity planning: what a training needs, computed from the costs that were measured on one host."""
