"""Two samples next to each other: what the pages that compare and that change configs have in common."""
