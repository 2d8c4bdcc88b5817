"""Tests with a cluster of Ray: several nodes as processes of this machine."""
