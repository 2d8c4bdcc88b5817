"""The page of a step: its samples as thumbnails, or the samples from a step on that a filter finds."""
