"""The page of the dataset: its images as thumbnails, in dataset order."""
