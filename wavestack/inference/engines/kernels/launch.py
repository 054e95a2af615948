"""A kernel with everything it is called with, to run it or to look at what it compiles to."""

# mypy: ignore-errors
from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HOPPER = GPUTarget("cuda", 90, 32)
_TYPES = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


@dataclass(frozen=True)
class Resources:
    """What ptxas says of a kernel, in registers a thread and bytes a program."""

    registers: int
    stack: int
    shared: int
    matrix_products: int  # tensor-core instructions in the text


@dataclass(frozen=True)
class Launch:
    """One call of a Triton kernel.

    Args:
        kernel: the jitted function.
        grid: number of programs.
        arguments: tensors and numbers, in the kernel's order.
        constants: the compile-time arguments by name.
        num_warps: of a program.
    """

    kernel: Any
    grid: tuple[int, ...]
    arguments: Sequence[Any]
    constants: Mapping[str, Any]
    num_warps: int = 4

    def run(self) -> None:
        """Start the kernel on the tensors' device."""
        self.kernel[self.grid](*self.arguments, **self.constants, num_warps=self.num_warps)

    def resources(self, target: GPUTarget = HOPPER) -> Resources:
        """Compile for a GPU, which need not be here, and read what the kernel will take.

        Raises:
            RuntimeError: when the tools that come with Triton cannot read what it compiled.
        """
        names = self.kernel.arg_names
        signature = dict.fromkeys(names, "constexpr")
        attributes = {}
        for i, (name, value) in enumerate(zip(names, self.arguments, strict=False)):
            if isinstance(value, torch.Tensor):
                signature[name] = _TYPES[value.dtype]
                attributes[(i,)] = [["tt.divisibility", 16]]
            else:
                signature[name] = "i32" if isinstance(value, int) else "fp32"
        source = ASTSource(self.kernel, signature, dict(self.constants), attributes)
        compiled = triton.compile(source, target=target, options={"num_warps": self.num_warps})
        usage = _resource_usage(compiled.asm["cubin"])
        products = len(re.findall(r"\b(?:mma\.sync|wgmma\.mma_async)", compiled.asm["ptx"]))
        # Triton asks for most of its shared memory at launch; ptxas knows of the rest alone.
        shared = usage["SHARED"] + compiled.metadata.shared
        return Resources(usage["REG"], usage["STACK"] + usage["LOCAL"], shared, products)


def _resource_usage(cubin: bytes) -> dict[str, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(tool), "--dump-resource-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {key: int(value) for key, value in re.findall(r"(\w+):(\d+)", text)}
    if "REG" not in found:
        raise RuntimeError(f"{tool} says nothing of registers: {text!r}")
    return found
