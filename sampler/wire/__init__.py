"""The wire format: messages, arrays, readers and writers."""
