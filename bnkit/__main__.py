"""`python -m bnkit COMMAND`: what the book's commands have in common is here, no more."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from bnkit import __version__
from bnkit.errors import InputError

# Each module has `add_parser(subparsers)`; its parser's default `handler` returns an exit code.
_COMMANDS = tuple(
    f"bnkit.{room}.command" for room in ("book", "data", "ledger", "sweep", "reproduce", "bench")
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """One line instead of the whole usage: the value, what is allowed, where help is."""
        self.exit(2, f"error: {message}; see `{self.prog} --help`\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="python -m bnkit",
        description="Build the book, fetch data, run its experiments, judge its claims.",
    )
    parser.add_argument("--version", action="version", version=f"bnkit {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        import_module(module).add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 for success, 1 where the work itself failed, 2 for bad input, 130 for Ctrl-C.
    """
    parsed = build_parser().parse_args(arguments)
    try:
        code = parsed.handler(parsed)
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `python -m bnkit claims | head`: Python flushes once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that must not be written to
        print(f"error: {error}; what was finished is kept", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
