"""Where is everything? The folders of the project, for a checkout and for an installed package."""

import os
from pathlib import Path

from bnkit.errors import InputError

_CHECKOUT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """The folder that holds `data/` and `chapters/`: `$BNKIT_HOME`, else the checkout."""
    chosen = os.environ.get("BNKIT_HOME")
    if not chosen:
        return _CHECKOUT
    path = Path(chosen).expanduser()
    if not path.is_dir():
        raise InputError(
            f"BNKIT_HOME={chosen!r} is not a folder: set it to a checkout of the book, or unset it"
        )
    return path.resolve()


def data_cache() -> Path:
    """Where data sets are kept: `$BNKIT_DATA`, else `data/cache` in the home folder.

    Outside a checkout (an installed package, Colab) the home folder may be read-only, so the
    user's own cache folder serves there.
    """
    chosen = os.environ.get("BNKIT_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if (home() / "data" / "claims.toml").is_file() or (home() / "_toc.yml").is_file():
        return home() / "data" / "cache"
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "bnkit"


def records() -> Path:
    """Where the recorded sweeps are kept."""
    return home() / "data" / "records"
