"""What the server is doing now: responses under way, rates, waits, recent errors, and the verdict on all of it."""
