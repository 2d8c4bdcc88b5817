"""The pages that document the endpoints."""
