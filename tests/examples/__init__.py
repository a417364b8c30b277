"""Tests of what readers are to copy."""
