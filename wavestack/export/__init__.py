"""Trained weights in formats that others read."""
