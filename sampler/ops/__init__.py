"""Pure functions on arrays, in NumPy: the reference for every kernel."""
