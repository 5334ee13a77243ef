"""Compile the kernels for an H200 as for a launch, but launch nothing: no GPU is needed.

Run as a script, it prints a JSON list: name, LDG and STG widths in bytes, registers and spilled
bytes of each kernel that a forward and a backward pass launch, for a few shapes and dtypes.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from bnkit.kernels import launch

# Shape, dtype, channels-last, ReLU: one batch that is split, one with channels held whole. Runs of
# 1000 values are aligned to 8 of them, which Triton cannot see from the number alone.
CASES = [
    ((256, 64, 20, 50), torch.bfloat16, False, True),
    ((256, 1024), torch.float32, False, False),
]
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
HOPPER = SimpleNamespace(
    get_current_target=lambda: GPUTarget("cuda", 90, 32),
    get_current_device=lambda: 0,
    get_current_stream=lambda device: 0,
)


def compile_only(kernel, grid):
    def call(*arguments, **options):
        compiled.append((kernel, kernel.run(*arguments, grid=grid, warmup=True, **options)))

    return call


def report(kernel, binary):
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.asm["cubin"])
        file.flush()
        text, resources = (
            subprocess.run(
                [TOOLS / "cuobjdump", option, file.name], capture_output=True, text=True, check=True
            ).stdout
            for option in ("-sass", "-res-usage")
        )
    # LDGSTS goes to shared memory; the number at the end is the width in bits, 32 where absent.
    accesses = re.findall(r"\b((?:LDGSTS|LDG|STG)\.E[.\w]*)", text)
    widths = [int(w[-1]) if (w := re.findall(r"\.(64|128)\b", a)) else 32 for a in accesses]
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", resources).groups()
    return {
        "name": kernel.__name__,
        "widths": [width // 8 for width in widths],
        "registers": int(registers),
        "stack": int(stack),
    }


compiled = []
driver.set_active(HOPPER)
JITFunction.__getitem__ = compile_only
for shape, dtype, channels_last, relu in CASES:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.empty(shape, dtype=dtype, device="meta").to(memory_format=layout)
    gamma, beta, mean, var = torch.empty(4, shape[1], device="meta").unbind()
    y, statistics = launch.forward(x, gamma, beta, mean, var, None, 0.1, 1e-5, relu)
    launch.backward(x, x, None, gamma, beta, statistics, 1e-5, relu, True)
print(json.dumps([report(*pair) for pair in compiled]))
