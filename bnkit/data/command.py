"""`python -m bnkit data`: which data sets are here, and fetch or check one of them."""

import argparse
import json

from bnkit.data.dataset import Dataset
from bnkit.data.loading import NAMES, files_of, load


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command `data`."""
    parser = subparsers.add_parser(
        "data",
        help="list the data sets, or fetch and check one",
        description="Without a name: list the data sets and say which are here. With a name: "
        "fetch the files that are absent, check all of them and show the splits.",
    )
    parser.add_argument("name", nargs="?", help=f"{', '.join(NAMES)}, or the path of an .npz file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--offline", action="store_true", help="never download: an absent file is an error"
    )
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Print the list or one data set; bad input raises InputError."""
    if args.name is None:
        report = [_presence(name) for name in NAMES]
        text = "\n".join(_presence_line(entry) for entry in report)
    else:
        report = _contents(load(args.name, download=not args.offline))
        text = _contents_text(report)
    print(json.dumps(report, indent=2) if args.json else text)
    return 0


def _presence(name: str) -> dict:
    """What is on disk; the files are checked only when the set is loaded."""
    folder, files = files_of(name)
    found = [file.find(folder) for file in files]
    return {
        "name": name,
        "present": None not in found,
        "bytes": sum(path.stat().st_size for path in found if path),
        "bytes_missing": sum(
            file.num_bytes for file, path in zip(files, found, strict=True) if path is None
        ),
        "where": str(folder) if files else "ships with scikit-learn",
        "files": [file.name for file in files],
    }


def _presence_line(entry: dict) -> str:
    state = "present" if entry["present"] else "missing"
    size = entry["bytes"] if entry["present"] else entry["bytes_missing"]
    megabytes = f"{size / 1e6:.1f} MB" if entry["files"] else ""
    return f"{entry['name']:<15} {state:<8} {megabytes:>9}  {entry['where']}"


def _contents(data: Dataset) -> dict:
    splits = {part: getattr(data, part) for part in ("train", "validation", "test")}
    return {
        "name": data.name,
        "num_classes": data.num_classes,
        "image_shape": list(data.image_shape),
        "splits": {
            part: {"x": list(s.x.shape), "y": list(s.y.shape)} for part, s in splits.items()
        },
        "sha256": data.sha256,
        "note": data.note,
    }


def _contents_text(report: dict) -> str:
    shape = " x ".join(map(str, report["image_shape"]))
    lines = [f"{report['name']}: {report['num_classes']} classes, images {shape} (C x H x W)"]
    lines += [
        f"  {part:<11}{arrays['x'][0]:>7,} images" for part, arrays in report["splits"].items()
    ]
    lines.append(f"  SHA-256 of the decoded arrays  {report['sha256']}")
    if report["note"]:
        lines.append(f"  note: {report['note']}")
    return "\n".join(lines)
