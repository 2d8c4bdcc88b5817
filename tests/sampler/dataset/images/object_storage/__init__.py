"""Tests of images in object storage."""
