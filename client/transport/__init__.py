"""HTTP/1.1 with bodies received straight into the memory of their reader."""
