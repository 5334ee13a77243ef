"""jupyter-book's command line in a process that ends when its parent does, however that ends."""

import os
import sys
import threading


def main() -> None:
    """Take the arguments of `jupyter-book`; the parent keeps the other end of standard input."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from jupyter_book.cli.main import main as jupyter_book

    jupyter_book()


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns at the end of file only: nobody writes
    os._exit(1)


if __name__ == "__main__":
    main()
