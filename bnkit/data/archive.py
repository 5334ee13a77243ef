"""Arrays from an .npz file without ever opening a pickle."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from bnkit.errors import DataError

# What NumPy and zipfile raise for damaged bytes; RuntimeError: a bit that claims encryption.
_DAMAGE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    """The arrays `names` of the archive `path`, in that order.

    Raises:
        DataError: the file is absent or damaged, lacks a name, or holds Python objects.
    """
    try:
        # Opened here because np.load leaves a damaged file open.
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is one array, not an archive")
            with archive:
                missing = [name for name in names if name not in archive.files]
                if not missing:
                    return [archive[name] for name in names]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: give the path of an .npz file") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path} is not a readable .npz of plain arrays ({reason}): write it with numpy.savez"
        ) from error
    raise DataError(f"{path} lacks {', '.join(missing)}: it needs {', '.join(names)}")
