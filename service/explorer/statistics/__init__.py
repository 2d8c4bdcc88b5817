"""The page with statistics of many samples."""
