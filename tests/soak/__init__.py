"""A server, clients and trainers under load for minutes, and what they hold meanwhile: `make soak`."""
