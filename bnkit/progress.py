"""Progress bars on long work, where tqdm is there: a bare GPU image may lack it."""

from typing import Any


class Silence:
    """A bar that shows nothing and asks for no package."""

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: int = 1) -> None:
        """As tqdm's."""

    def set_postfix(self, **_: object) -> None:
        """As tqdm's."""

    def close(self) -> None:
        """As tqdm's."""


def progress_bar(total: int, unit: str, *, disable: bool | None = None, **how: Any) -> Any:
    """A bar of tqdm on stderr; its absence costs the sight of progress and nothing else.

    Args:
        total: of how many units.
        unit: their name, in the singular.
        disable: no bar; with None no bar but on a terminal.
        how: the rest of tqdm's arguments.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        return Silence()
    return tqdm(total=total, unit=unit, disable=disable, **how)
