"""Triton kernels of the engines ``fused`` and ``layerwise``. Imported only where Triton is."""
