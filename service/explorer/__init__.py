"""Pages and pictures that explain a sample."""
