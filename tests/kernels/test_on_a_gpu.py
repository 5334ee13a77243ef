"""The checks of `on_a_gpu`, in a process of their own, for in this folder Triton interprets."""

import os
import subprocess
import sys

import pytest
import torch

triton = pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")


def run(**more):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    return subprocess.run(
        [sys.executable, "-m", "tests.kernels.on_a_gpu"],
        capture_output=True, text=True, check=False, env={**environment, **more},
    )  # fmt: skip


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_the_kernels_are_right_compiled_captured_and_on_every_device():
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_checks_pass_where_the_kernels_are_interpreted():
    done = run(TRITON_INTERPRET="1", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok  ") == 18 + 3
    assert done.stdout.count("left  ") == 3
    assert "FAILED" not in done.stdout
