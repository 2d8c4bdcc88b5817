"""How cost grows with trainers, requests, batch size and dataset size, next to what a simple model predicts."""
