"""Holding the claim against the model itself: gradients from inside, NaNs from outside."""
