"""Recordings: where they come from, how they vary, and batches of them."""
