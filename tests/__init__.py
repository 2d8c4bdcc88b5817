"""Statements about the product, each checked on the real thing."""
