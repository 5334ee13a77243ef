"""The kernels on the GPU itself: what neither an interpreter nor a compiler can show.

    python -m tests.kernels.on_a_gpu

It prints a line for each check, "left" with the reason where there is no way to run it, and exits
with 1 if any failed. Under TRITON_INTERPRET=1 it rehearses on the CPU.
"""

import os
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit import kernels
from bnkit.bench import gpu_arms, gpu_measure
from bnkit.bench.gpu_cases import EARLY, LATE, ROWS, Case

REHEARSAL = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if REHEARSAL else "cuda"
BACKEND = "aot_eager" if REHEARSAL else "inductor"
# One batch that is split and one with channels held whole; contiguous, channels-last and rows.
SHAPES = [(4, 3, 5, 5), (20, 3)] if REHEARSAL else [EARLY, LATE, ROWS, (60, 100), (64, 256, 14, 14)]
Left = str | None  # why a check was left out, if it was


def drawn(case: Case, device=DEVICE):
    """A forward pass by the kernels, a batch, parameters, and whether a ReLU follows."""
    torch.manual_seed(1)
    adds, relu = case.workload == "bn_add_relu", case.workload != "bn"
    dtype = getattr(torch, case.dtype)
    batch = gpu_arms.draw_batch(case.shape, dtype, case.layout, device, adds=adds)
    parameters = gpu_arms.draw_parameters(case.shape[1], device, torch.float32)
    return gpu_arms.ours(parameters, relu=relu), batch, parameters, relu


def values_are_those_of_float64(case: Case, device=DEVICE):
    forward, batch, parameters, relu = drawn(case, device)
    with gpu_arms.poisoned():
        errors = gpu_arms.relative_errors(forward, batch, parameters, relu=relu)
    allowed = gpu_measure.allowed(case, rounds_between=False)
    assert all(errors[name] <= allowed[name] for name in errors), errors


def inference_is_torchs():
    x, (mean, var) = torch.randn(8, 5, 6, 6, device=DEVICE), torch.rand(2, 5, device=DEVICE) + 0.5
    y = kernels.batch_norm(x, None, None, mean, var, training=False)
    torch.testing.assert_close(y, F.batch_norm(x, mean, var), rtol=1e-4, atol=1e-5)


def a_compiled_caller_gets_the_same():
    forward, batch, parameters, _ = drawn(Case("bn_add_relu", SHAPES[0], "float32", "contiguous"))
    compiled = torch.compile(
        lambda x, residual: 2.0 * forward(x, residual), fullgraph=True, backend=BACKEND
    )
    results = []
    for call in (lambda *given: 2.0 * forward(*given), compiled):
        y = call(batch.x, batch.residual)
        results.append([y, *torch.autograd.grad(y, gpu_arms.inputs(batch, parameters), batch.dy)])
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-4)


def a_replayed_graph_computes_anew() -> Left:
    if REHEARSAL:
        return "a CPU has no graphs"
    forward, batch, parameters, _ = drawn(Case("bn_relu", SHAPES[-1], "float32", "channels_last"))

    def step() -> list[Tensor]:
        y = forward(batch.x, None)
        return [y, *torch.autograd.grad(y, gpu_arms.inputs(batch, parameters), batch.dy)]

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    with torch.no_grad():
        batch.x.copy_(torch.randn_like(batch.x) * 3.0 - 1.0)
    graph.replay()
    torch.testing.assert_close(captured, step(), rtol=1e-4, atol=1e-4)


def running_statistics_move_as_torchs_do():
    x = torch.randn(SHAPES[0], device=DEVICE) * 2.0 + 1e3
    ours, theirs = ([t(x.shape[1], device=DEVICE) for t in (torch.zeros, torch.ones)] for _ in "ab")
    kernels.batch_norm(x, None, None, *ours)
    F.batch_norm(x, *theirs, training=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def a_second_device_is_used_for_what_lies_there() -> Left:
    if torch.cuda.device_count() < 2:
        return "there is but one device"
    return values_are_those_of_float64(
        Case("bn_relu", SHAPES[-1], "float32", "contiguous"), "cuda:1"
    )


def a_channel_of_2_to_the_31_values_is_normalized_to_its_end() -> Left:
    if REHEARSAL or torch.cuda.get_device_properties(0).total_memory < 60 * 2**30:
        return "there is too little memory"
    n, k = 2**31 + 16, 2**20
    x = torch.ones(1, 2, n, dtype=torch.bfloat16, device=DEVICE)
    x[0, 1, -k:] = 3.0
    y = kernels.batch_norm(x)
    # The mean of the second channel is 1 + 2 k / n, its variance 4 k / n (1 - k / n).
    share = k / n
    expected = 2.0 * (1.0 - share) / (4.0 * share * (1.0 - share) + 1e-5) ** 0.5
    assert y[0, 0].abs().max() == 0.0
    ends = y[0, 1, -k:].float()
    torch.testing.assert_close(ends, torch.full_like(ends, expected), rtol=1e-2, atol=0.0)
    return None


def checks() -> list[tuple[str, Callable[[], Left]]]:
    """Name and what is to run without an error."""
    cases = [
        Case(workload, shape, dtype, layout)
        for shape in SHAPES
        for layout in (("contiguous",) if len(shape) == 2 else ("contiguous", "channels_last"))
        for dtype in ("float32", "bfloat16")
        for workload in ("bn", "bn_relu", "bn_add_relu")
    ]
    others = (
        inference_is_torchs,
        a_compiled_caller_gets_the_same,
        a_replayed_graph_computes_anew,
        running_statistics_move_as_torchs_do,
        a_second_device_is_used_for_what_lies_there,
        a_channel_of_2_to_the_31_values_is_normalized_to_its_end,
    )
    return [
        *((case.name, partial(values_are_those_of_float64, case)) for case in cases),
        *((check.__name__.replace("_", " "), check) for check in others),
    ]


def main() -> int:
    """Run them all; 1 if any failed."""
    failed = 0
    for name, check in checks():
        try:
            left = check()
            print(f"left    {name}: {left}" if left else f"ok      {name}", flush=True)
        except Exception as error:
            failed += 1
            lines = [line for line in str(error).splitlines() if line.strip()]
            print(f"FAILED  {name}: {type(error).__name__}: {' '.join(lines)[:300]}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
