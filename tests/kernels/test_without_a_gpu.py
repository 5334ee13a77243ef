"""Where Triton or the GPU is missing: imports work, and the first call says what is missing."""

import os
import subprocess
import sys

import pytest


def run(code, **environment):
    """Standard output of a fresh interpreter, which does not interpret kernels."""
    allowed = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, env={**allowed, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WITHOUT_TRITON = "import sys; sys.modules['triton'] = None\n"
CALL = """
import torch
from bnkit import layers
try:
    layers.BatchNorm1d(3, backend="triton")(torch.ones(4, 3))
except RuntimeError as error:
    print(error)
"""


def test_without_triton_everything_imports():
    code = "import sys\nfrom bnkit import kernels, layers\nprint('triton' in sys.modules)"
    assert run(code) == "False"
    assert run(WITHOUT_TRITON + "from bnkit import kernels, layers\nprint('fine')") == "fine"


def test_without_triton_the_first_call_says_so_in_one_line():
    (line,) = run(WITHOUT_TRITON + CALL).splitlines()
    assert line.startswith("the kernels need Triton")
    assert "pip install triton" in line
    assert "backend='torch'" in line


def test_a_batch_on_the_cpu_is_refused_in_one_line():
    pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")
    (line,) = run(CALL).splitlines()
    assert line.startswith("the kernels need a tensor on an NVIDIA GPU, and x is on cpu")
    assert "backend='torch'" in line
