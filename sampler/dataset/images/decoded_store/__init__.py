"""A file with all images of a dataset decoded: format, reader and check."""
