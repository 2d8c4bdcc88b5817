"""The inner loops behind one interface, in NumPy and compiled."""
