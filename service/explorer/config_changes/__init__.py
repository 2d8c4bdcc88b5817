"""Changes of a config that people ask for: which fields they may change, and what they make of them."""
