"""Reusable buffers and shared memory."""
