"""Other data loaders, measured on the same samples."""
