"""Times of the server's pages, on small and large datasets, and what browsing costs a trainer."""
