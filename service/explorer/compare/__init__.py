"""The page that shows two samples of an image side by side."""
