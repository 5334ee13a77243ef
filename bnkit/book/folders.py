"""Where is what, of one build of the book?"""

from dataclasses import dataclass
from pathlib import Path

from bnkit import places


@dataclass(frozen=True)
class Folders:
    """The book's sources in `home`, and all that a build writes, in `build`."""

    home: Path
    build: Path

    @classmethod
    def standard(cls, build: Path | None = None) -> "Folders":
        """The checkout, or `$BNKIT_HOME`, and its `_build` unless another folder is given."""
        home = places.home()
        return cls(home, (build or home / "_build").absolute())

    @property
    def work(self) -> Path:
        """Kernels run here; whatever a killed build left in it is worthless."""
        return self.build / "work"

    @property
    def stage(self) -> Path:
        """The copy of the book, with executed chapters, that the builder reads."""
        return self.build / "stage"

    @property
    def html(self) -> Path:
        """The published site."""
        return self.build / "html"

    @property
    def manifest(self) -> Path:
        """What was executed and built, and from what; written last."""
        return self.build / "manifest.json"

    @property
    def lock(self) -> Path:
        """Held by the one build that may write."""
        return self.build / ".lock"

    def executed(self, name: str) -> Path:
        """The executed notebook of the chapter `name`."""
        return self.build / "executed" / f"{name}.ipynb"
