"""Ray Serve with HAProxy against uvicorn alone: `python -m benchmarks.ray_serve`."""
