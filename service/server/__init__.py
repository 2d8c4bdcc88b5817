"""The command `saccade-sampler serve`: a server with limits for its connections."""
