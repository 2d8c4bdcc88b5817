"""Worker processes: the pool in the server and the code in the workers."""
