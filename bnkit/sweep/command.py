"""`python -m bnkit sweep EXPERIMENT`: run the arms and seeds that are not yet recorded."""

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bnkit.errors import InputError


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "sweep",
        help="run the arms and seeds of an experiment that are not yet recorded",
        description="Run what is not yet recorded, on all cores, and store each seed when it is "
        "finished. Killed and started again, it goes on where it stopped.",
    )
    parser.add_argument("experiment", nargs="?", help="its name; without one, list them")
    parser.add_argument("--seeds", default="0-9", help='for example "0-9" or "0,3,5" (default 0-9)')
    parser.add_argument("--arms", help="names with commas (default: all)")
    parser.add_argument("--tune", action="store_true", help="first choose the rates of tuned arms")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://HOST:PORT")
    parser.add_argument("--seconds", type=float, help="begin nothing that would take longer")
    parser.add_argument(
        "--seed-seconds",
        type=float,
        default=0.0,
        help="with --seconds: how long a seed may take in an arm of which none is recorded",
    )
    parser.add_argument("--list", action="store_true", help="what is recorded, run nothing")
    parser.set_defaults(handler=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    from bnkit import experiments, sweep

    if not arguments.experiment:
        print("\n".join(experiments.names()))
        return 0
    seeds = parse_seeds(arguments.seeds)
    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers {arguments.workers}: give a whole number from 1")
    name = arguments.experiment
    chosen = _choose(name, arguments.arms, any_device=arguments.list)
    if arguments.list:
        return _list(name, chosen)
    if arguments.seconds is not None and not arguments.seconds > 0:
        raise InputError(f"--seconds {arguments.seconds:g}: give a number above 0")
    if not arguments.seed_seconds >= 0:
        raise InputError(f"--seed-seconds {arguments.seed_seconds:g}: give a number from 0")
    how = {
        "workers": arguments.workers,
        "scheduler": arguments.scheduler,
        "deadline": arguments.seconds and time.time() + arguments.seconds,
        "seed_seconds": arguments.seed_seconds,
    }
    try:
        count = record(name, chosen, seeds, tune=arguments.tune, **how)
    except sweep.OutOfTime as error:
        print(error)
        return 0
    print(f"{name}: {count} seeds run, {_left(name, chosen, seeds)} are left")
    return 0


def record(
    experiment: str, chosen: Mapping[str, Any], seeds: Sequence[int], *, tune: bool, **how: Any
) -> int:
    """Run what is absent of some arms, each where its own experiment keeps it; how many seeds.

    Raises:
        OutOfTime: the deadline came before a rate was tuned.
    """
    from bnkit import experiments, sweep

    count = 0
    for home, arms in _by_home(experiment, chosen).items():
        if tune:
            tuned = [arm.like or arm.spec for arm in arms if isinstance(arm, experiments.Tuned)]
            for spec in sweep.tune(home, list(dict.fromkeys(tuned)), **how):
                print(f"tuned: {spec}")
        specs = [sweep.resolve(experiment, arm) for arm in arms]
        count += sweep.run(home, specs, seeds, **how)
    return count


def _left(experiment: str, chosen: Mapping[str, Any], seeds: Sequence[int]) -> int:
    from bnkit import experiments, store, sweep

    return sum(
        len(
            set(seeds)
            - set(
                store.recorded_seeds(
                    experiments.home(experiment, arm), sweep.resolve(experiment, arm)
                )
            )
        )
        for arm in chosen.values()
    )


def _by_home(experiment: str, chosen: Mapping[str, Any]) -> dict[str, list]:
    """The arms of each experiment that keeps their records."""
    from bnkit import experiments

    homes: dict[str, list] = {}
    for arm in chosen.values():
        homes.setdefault(experiments.home(experiment, arm), []).append(arm)
    return homes


def parse_seeds(text: str) -> list[int]:
    """Seeds from "0-9", "3" or "0,2,7-9".

    Raises:
        InputError: anything else, a range that goes backwards, or a seed above 9999.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InputError(
                f"--seeds {text!r}: give whole numbers up to 9999 and ranges of them, for example "
                "0-9 or 0,3,5"
            )
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def _choose(experiment: str, names: str | None, *, any_device: bool) -> dict[str, Any]:
    """The arms by name; without names all, or all that this machine can run."""
    from bnkit import experiments

    there = experiments.find(experiment).ARMS
    if names is None:
        return {name: arm for name, arm in there.items() if any_device or not _lacks_device(arm)}
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in there:
            raise InputError(f"{experiment} has no arm {name!r}: choose from {', '.join(there)}")
        if not any_device and (device := _lacks_device(there[name])):
            raise InputError(f"{experiment}: arm {name} runs on {device}, and there is none here")
    return {name: there[name] for name in chosen}


def _lacks_device(arm: Any) -> str:
    """The device that an arm runs on, where this machine does not have it; else nothing."""
    from bnkit import experiments

    spec = arm.spec if isinstance(arm, experiments.Tuned) else arm
    device = getattr(spec, "device", "cpu")
    if not device.startswith("cuda"):
        return ""
    import torch

    return "" if torch.cuda.is_available() else device


def _list(experiment: str, chosen: Mapping[str, Any]) -> int:
    from bnkit import experiments, store, sweep

    for name, arm in chosen.items():
        home = experiments.home(experiment, arm)
        try:
            spec = sweep.resolve(experiment, arm)
        except InputError as error:
            print(f"{name:28} {error}")
            continue
        seeds = store.recorded_seeds(home, spec)
        print(f"{name:28} {store.spec_key(spec)}  {len(seeds)} seeds: {seeds}")
    return 0
