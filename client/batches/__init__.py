"""Batches as training code receives them."""
