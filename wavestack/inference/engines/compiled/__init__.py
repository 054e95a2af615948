"""The compiled CPU engine: Numba kernels with vector instructions chosen on the machine itself."""
