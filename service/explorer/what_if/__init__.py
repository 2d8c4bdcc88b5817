"""The page that shows what a changed config would make of a sample."""
