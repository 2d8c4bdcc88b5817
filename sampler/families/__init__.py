"""Detector families: everything that distinguishes one family of detectors from another."""
