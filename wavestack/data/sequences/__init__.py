"""Sequences that are no sound: symbols, notes, numbers; where they come from, and batches."""
