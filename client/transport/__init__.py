"""HTTP/1.1 with bodies received into given memory."""
