"""`python -m bnkit reproduce ID`: run stored seeds again; exit 1 if anything differs."""

import argparse
import sys

from bnkit.errors import InputError

_WORDS = {
    "equal": "bit for bit (same processor, versions and threads)",
    "close": "to 1e-6 relative (another machine)",
    "interval": "within the 99 % prediction interval of the stored seeds (another machine)",
}


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "reproduce",
        help="run stored seeds of a claim again and compare",
        description="Run the first stored seeds of every arm of a claim from scratch and compare "
        "them with the record. Exit code 1 if anything differs.",
    )
    parser.add_argument("id", help="a claim, for example B1")
    parser.add_argument("--seeds", type=int, default=2, help="how many an arm (default 2)")
    parser.set_defaults(handler=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    from bnkit import reproduce, store

    if not 1 <= arguments.seeds <= 1000:
        raise InputError(f"--seeds {arguments.seeds}: give a whole number from 1 to 1000")
    agrees = True
    try:
        for report in reproduce.reproduce(arguments.id, arguments.seeds):
            agrees &= not report.differences
            print(
                f"{arguments.id} {report.arm}: seeds {', '.join(map(str, report.seeds))}, "
                f"{report.num_rows} numbers, {len(report.differences)} differ; "
                f"compared {_WORDS[report.rule]}",
                flush=True,
            )
            for d in report.differences[:5]:
                print(
                    f"  seed {d.seed}, step {d.step}, {d.name}: stored {d.stored!r}, "
                    f"now {d.again!r}; allowed: {d.allowed}"
                )
    except store.RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if agrees else 1
