"""Triton's interpreter, made to work beside NumPy 2.4 and later.

The kernels' numbers are one-element arrays there, and NumPy no longer takes those for integers in
``range``. Import this after setting TRITON_INTERPRET=1 and before any kernel.
"""

from __future__ import annotations

from triton.runtime import interpreter

_patch = interpreter._patch_lang_tensor


def _patch_with_index(tensor, scope):
    _patch(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))


interpreter._patch_lang_tensor = _patch_with_index
