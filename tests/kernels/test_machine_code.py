"""What no interpreter shows: the kernels compile for the GPU, with wide accesses and no spills."""

import json
import os
import subprocess
import sys

import pytest

triton = pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("machine code")]  # compile but once


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path_factory.mktemp("triton"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.compiled"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_kernel_compiles_for_an_h200(kernels):
    assert {kernel["name"] for kernel in kernels} == {
        "partial_moments", "merged_moments", "normalized", "forward_at_once",
        "partial_sums", "merged_sums", "input_gradient", "backward_at_once",
    }  # fmt: skip


def test_what_reads_or_writes_the_batch_does_so_16_bytes_at_a_time(kernels):
    for kernel in kernels:
        if not kernel["name"].startswith("merged"):
            assert kernel["widths"].count(16) >= 2, kernel


def test_registers_leave_room_for_four_programs_and_nothing_spills(kernels):
    for kernel in kernels:
        assert kernel["registers"] <= 128, kernel
        assert kernel["stack"] <= 16, kernel
