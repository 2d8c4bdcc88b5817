"""Several servers of the same samples, used as one."""
