"""What pages show, made by workers and cached."""
