"""How fast it is: each row measured beside its own limit, in the same run on the same machine."""
