"""What is fuzzed: one module for each reader of bytes."""
