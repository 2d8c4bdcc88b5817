"""The part of the loader that runs in the trainer's process."""
