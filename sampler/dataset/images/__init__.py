"""Image bytes, decoding, and decoded images."""
