"""The program `saccade-sampler`: all commands of the project, each loading only what it needs."""
