"""`python -m bnkit claims`: the table of all claims, and last the count."""

import argparse
import json
import math


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "claims",
        help="all claims with their verdicts",
        description="Judge every claim by what is recorded and print the table; its last line is "
        "the count.",
    )
    parser.add_argument("--json", action="store_true", help="a list of objects, one a claim")
    parser.add_argument("--chapter", help="only the claims of this chapter")
    parser.set_defaults(handler=handle)


def handle(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    from bnkit import claims
    from bnkit.ledger import open_ledger, summary

    register = claims.load()
    chosen = register.by_chapter(arguments.chapter) if arguments.chapter else register.claims
    ledger = open_ledger()
    entries = [ledger[claim.id] for claim in chosen]
    if arguments.json:
        print(json.dumps([_finite(entry.as_json()) for entry in entries], indent=1))
        return 0
    for entry in entries:
        print(_line(entry))
    print(summary(entries))
    return 0


def _line(entry) -> str:
    verdict = entry.verdict
    if verdict is None:
        rest = entry.why
    else:
        rest = (
            f"{verdict.unit} {verdict.effect:.4g} [{verdict.low:.4g}, {verdict.high:.4g}], "
            f"n = {verdict.n}; {verdict.what}"
        )
        if any(count for _, count in verdict.not_reached):
            counts = ", ".join(f"{arm} {count}" for arm, count in verdict.not_reached)
            rest += f"; not reached: {counts}"
    changed = "  (rule changed after the record)" if entry.rule_changed else ""
    return f"{entry.claim.id:4} {entry.word:11} {entry.claim.chapter:34} {rest}{changed}"


def _finite(entry: dict) -> dict:
    """JSON has no infinity: an open end is null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in entry.items()
    }
