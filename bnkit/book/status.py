"""The execution status of the book: what ran, how long, in how much memory, on what."""

import os
import platform
from pathlib import Path

from bnkit.book.manifest import Manifest

PAGE = Path("_generated/execution-status.md")  # in the appendix by an {include}


def machine() -> str:
    """The kind of machine, without its name: processor, cores, system."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def page(manifest: Manifest, names: list[str]) -> str:
    """A Markdown table of the chapters `names`, in that order, from the manifest alone."""
    rows = [(name, manifest.chapters[name]) for name in names]
    lines = [
        "| Chapter | Profile | Device | Seconds | Peak memory (MiB) |",
        "|:--|:--|:--|--:|--:|",
    ]
    for name, ran in rows:
        device, profile = (ran.parameters.get(key, "") for key in ("device", "profile"))
        lines.append(
            f"| {{doc}}`/chapters/{name}` | {profile} | {device} | {ran.seconds:.1f} "
            f"| {_mebibytes(ran.peak_bytes)} |"
        )
    total = sum(ran.seconds for _, ran in rows)
    lines += ["", f"Together {total:.1f} seconds of kernels, one thread each."]
    for where in sorted({ran.machine for _, ran in rows}):
        lines += ["", f"Machine: {where}."]
    for versions in sorted({tuple(sorted(ran.versions.items())) for _, ran in rows}):
        lines += ["", "Versions: " + ", ".join(f"{name} {number}" for name, number in versions)]
        lines[-1] += "."
    return "\n".join(lines) + "\n"


def _mebibytes(count: int | None) -> str:
    return "not known" if count is None else f"{count / 2**20:.0f}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or "unknown processor"
