"""Vector code for CPUs: what compiled generation and compiled streaming are both made of."""
