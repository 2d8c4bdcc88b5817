"""Parsing COCO-format annotation files."""
