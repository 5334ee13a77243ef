"""Get a file that is not there yet: from its mirrors in order, under its final name only if good.

pooch writes to a temporary file in the same folder, and renames it after the SHA-256 agrees.
"""

import errno
from pathlib import Path

from bnkit.data.integrity import describe
from bnkit.data.registry import File
from bnkit.errors import DataError

TIMEOUT = 30.0  # seconds without a byte after which a server counts as stalled
CHUNK = 1 << 16  # bytes between two steps of the progress bar


def fetch(file: File, folder: Path) -> None:
    """Download `file` into `folder`.

    Raises:
        DataError: one line with the reason at each mirror and how to place the file by hand.
    """
    if not file.urls:
        raise DataError(f"{file.name} is missing and cannot be downloaded: {file.by_hand(folder)}")
    reasons = []
    for url in file.urls:
        reason = _try(url, file, folder)
        if reason is None:
            return
        reasons.append(f"{url}: {reason}")
    raise DataError(f"cannot download {'; '.join(reasons)}. You can {file.by_hand(folder)}")


def _try(url: str, file: File, folder: Path) -> str | None:
    """None if the file now has its final name, else why not; a full disk ends all attempts."""
    try:
        # Imported here: who has the data, or uses digits, needs neither package.
        import pooch
        import requests
    except ImportError:
        raise DataError(
            f"downloading {file.name} needs pooch: `pip install pooch`, or {file.by_hand(folder)}"
        ) from None

    http = pooch.HTTPDownloader(progressbar=True, chunk_size=CHUNK, timeout=TIMEOUT)

    def download(url: str, partial: str, registry: object) -> None:
        http(url, partial, registry)
        damage = describe(Path(partial), file)
        if damage:
            raise ValueError(damage)

    pooch.get_logger().setLevel("WARNING")  # the progress bar is news enough
    try:
        pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=download)
    except requests.Timeout:
        return f"no answer for {TIMEOUT:g} s"
    except requests.TooManyRedirects:
        return "the server redirects in a circle"
    except requests.HTTPError as error:
        return f"the server answers {error.response.status_code}"
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        # requests reports a read that stalls in the body as a lost connection.
        stalled = "timed out" in str(error)
        return f"no answer for {TIMEOUT:g} s" if stalled else "no connection, or it broke off"
    except (requests.RequestException, ValueError) as error:
        return str(error).splitlines()[0]
    except OSError as error:
        raise DataError(_disk(error, file, folder)) from error
    return None


def _disk(error: OSError, file: File, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no space left for {file.name} ({file.num_bytes:,} bytes) in {folder}: make room, "
            "or set BNKIT_DATA to a folder on another disk"
        )
    reason = error.strerror or "not writable"
    return (
        f"cannot write {file.name} into {folder} ({reason}): set BNKIT_DATA to a folder that you "
        f"may write to, or {file.by_hand(folder)}"
    )
