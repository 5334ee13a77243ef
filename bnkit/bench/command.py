"""`python -m bnkit bench WHAT`: measure, print both sides and their ratio."""

import argparse

from bnkit.errors import InputError


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser("bench", help="measure speed", description=__doc__)
    parser.add_argument("what", choices=("sweep",), help="sweep: seeds stacked against one a time")
    parser.add_argument("--steps", type=int, default=1000, help="of a stack (default 1000)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.set_defaults(handler=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code."""
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
