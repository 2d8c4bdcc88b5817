"""The part of the loader that runs in the loader's own process."""
