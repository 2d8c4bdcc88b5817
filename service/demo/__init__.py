"""The demo dataset, drawn on first start."""
