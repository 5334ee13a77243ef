"""`python -m bnkit bench WHAT`: measure, print both sides and their ratio."""

import argparse
from pathlib import Path

from bnkit.errors import InputError


def add_parser(subparsers) -> None:
    """Register the command and what it can measure."""
    parser = subparsers.add_parser("bench", help="measure speed", description=__doc__)
    parser.set_defaults(handler=handle)
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")

    sweep = what.add_parser("sweep", help="seeds stacked against one at a time")
    sweep.add_argument("--steps", type=int, default=1000, help="of a stack (default 1000)")
    sweep.add_argument("--workers", type=int, help="processes (default: one a core)")

    gpu = what.add_parser(
        "gpu",
        help="batch normalization on a CUDA device: torch eager and compiled, our kernels",
        description="Measure every case that the record has not, and keep each as it is done.",
    )
    gpu.add_argument(
        "--seconds", type=float, default=540, help="begin no case that would end later (540)"
    )
    gpu.add_argument("--out", help="the record (default data/records/gpu/<device>.json)")
    gpu.add_argument(
        "--tiny", action="store_true", help="rehearse on small tensors, on the CPU if need be"
    )

    tiles = what.add_parser(
        "tiles",
        help="which entries of bnkit/kernels/tiles.py are best on a CUDA device",
        description="Change one number of one tile at a time and print what that does to the time.",
    )
    tiles.add_argument("--seconds", type=float, default=300, help="stop after so many (300)")
    tiles.add_argument("--tiny", action="store_true", help="rehearse on small tensors")

    session = what.add_parser(
        "session",
        help="the bench, then the recorded sweeps that need a GPU, and one archive of what is new",
        description="Do what is missing within the budget; `make gpu BUDGET=540` is this.",
    )
    session.add_argument("--seconds", type=float, default=540, help="the budget (540)")
    session.add_argument("--archive", default="records.tgz", help="(default records.tgz)")
    session.add_argument("--workers", type=int, default=1, help="processes that share the GPU (1)")


def handle(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    if arguments.what == "sweep":
        return _sweep(arguments)
    if not arguments.seconds > 0:
        raise InputError(f"--seconds {arguments.seconds}: give a number above 0")
    if arguments.what == "session":
        return _session(arguments)
    return _gpu(arguments) if arguments.what == "gpu" else _tiles(arguments)


def _gpu(arguments: argparse.Namespace) -> int:
    from bnkit.bench import gpu

    return gpu.run(seconds=arguments.seconds, out=arguments.out, tiny=arguments.tiny)


def _session(arguments: argparse.Namespace) -> int:
    from bnkit.bench import gpu_session

    if arguments.workers < 1:
        raise InputError(f"--workers {arguments.workers}: give a whole number from 1")
    return gpu_session.run(
        seconds=arguments.seconds, archive=Path(arguments.archive), workers=arguments.workers
    )


def _tiles(arguments: argparse.Namespace) -> int:
    from bnkit.bench import gpu_device, gpu_tiles

    return gpu_tiles.run(
        gpu_device.find(tiny=arguments.tiny), seconds=arguments.seconds, tiny=arguments.tiny
    )


def _sweep(arguments: argparse.Namespace) -> int:
    from bnkit.bench import seeds
    from bnkit.sweep.tasks import num_cores

    workers = num_cores() if arguments.workers is None else arguments.workers
    if arguments.steps < 10 or workers < 1:
        raise InputError(
            f"--steps {arguments.steps}, --workers {workers}: give 10 steps and 1 worker or more"
        )
    for norm in ("none", "batch"):
        speeds = seeds.measure(norm, num_steps=arguments.steps, workers=workers)
        plain = speeds[0].seed_steps_per_second
        print(f"MNIST net, norm {norm}")
        for name, speed in speeds:
            print(f"  {name:40} {speed:8.0f} seed-steps/s  {speed / plain:5.2f} x")
        share = seeds.probe_share(norm, num_steps=arguments.steps)
        print(f"  probes take {100 * share:.0f} % of the time of a recorded run")
    return 0
