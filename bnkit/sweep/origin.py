"""Where does a record come from? Enough to run it again, and to know when it must be equal."""

import os
import platform
import resource
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bnkit import __version__, claims, experiments, places
from bnkit.judging import rule_sha256

_WATCHED = ("torch", "numpy", "scipy", "scikit-learn")


def origin(spec: Any, stacked_seeds: int, seconds: float) -> dict[str, Any]:
    """The origin of rows that this process has just computed.

    Args:
        spec: the arm; its fields `device` and `data_set` are looked at where it has them.
        stacked_seeds: how many seeds ran together.
        seconds: wall time per seed.
    """
    import torch

    device = getattr(spec, "device", "cpu")
    return {
        **commit(),
        **machine(device),
        "threads": torch.get_num_threads(),
        "data_sha256": data_sha256(spec),
        "stacked_seeds": stacked_seeds,
        "seconds": round(seconds, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def machine(device: str = "cpu") -> dict[str, Any]:
    """Versions, device and processor: where these are equal, rows are bit for bit equal.

    Not so on a GPU, whose sums differ in their last digit from run to run.
    """
    import torch

    named = {name: found for name in _WATCHED if (found := _version(name))}
    facts = {
        "python": platform.python_version(),
        "versions": {"bnkit": __version__, **named},
        "device": device,
        "cpu": cpu_model(),
    }
    if device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


@cache
def commit() -> dict[str, Any]:
    """The commit and whether the tree was clean; from the environment where there is no git.

    Records that are being written do not make the code that writes them unclean.
    """
    if given := os.environ.get("BNKIT_COMMIT"):
        return {"commit": given, "clean": os.environ.get("BNKIT_CLEAN") == "1"}
    head = _git("rev-parse", "HEAD")
    if not head:
        return {"commit": "unknown", "clean": False}
    changed = _git("status", "--porcelain", "--", ".", ":(exclude)data/records")
    return {"commit": head, "clean": changed == ""}


def rules_served(experiment: str) -> dict[str, str]:
    """Name -> SHA-256 of each rule as it stands, controls too, that an experiment's records serve.

    They serve the claims that it decides, and those of experiments that borrow arms of it.
    """
    written = set(experiments.names())
    served = []
    for claim in claims.load().claims:
        decides = claim.experiment == experiment
        if not decides and claim.experiment in written:
            arms = experiments.find(claim.experiment).ARMS.values()
            decides = experiment in {experiments.home(claim.experiment, arm) for arm in arms}
        served += [claim] if decides else []
    return {name: rule_sha256(rule) for claim in served for name, rule in claim.rules.items()}


@cache
def cpu_model() -> str:
    """The processor, as exactly as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    if "model name" not in found:
        return platform.machine()
    details = [f"{key} {found[key]}" for key in ("cpu family", "model", "stepping") if key in found]
    return ", ".join([found["model name"], *details])


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(places.home()), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def data_sha256(spec: Any) -> str:
    """Of the spec's data set, which is fetched if it is not here; empty if it uses none."""
    from bnkit.data import load

    return load(spec.data_set).sha256 if hasattr(spec, "data_set") else ""
