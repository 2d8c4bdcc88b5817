"""Boxes and text on pictures of samples, as the client and the server's explorer draw them."""
