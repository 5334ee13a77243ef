"""The kernel that chapters run in: this interpreter, one thread, nothing of the user's setup."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import bnkit

NAME = "python3"


def environment(home: Path, work: Path) -> dict[str, str]:
    """What to add to the environment of a process that starts kernels in the folder `work`.

    A kernel specification that some other environment has installed under the name "python3"
    would win over this interpreter; so would a startup file in the user's IPython profile.
    """
    package = str(Path(bnkit.__file__).parent.parent)
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        "JUPYTER_PATH": str(work / "jupyter"),  # searched before all other places
        "JUPYTER_RUNTIME_DIR": str(work / "runtime"),
        "IPYTHONDIR": str(work / "ipython"),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),  # an uninstalled checkout works too
        "BNKIT_HOME": str(home),
        # Two processes of two threads each on two cores are ten times slower than one of one.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # The same bytes at every run: the date in an SVG, the order of a set of strings.
        "SOURCE_DATE_EPOCH": "0",
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
        "TQDM_DISABLE": "1",  # a bar prints times
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a warning of the debugger, which nobody uses here
    }


def install(work: Path) -> None:
    """Describe this interpreter, under the name that every notebook asks for, in `work`."""
    folder = work / "jupyter" / "kernels" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    specification: Mapping[str, object] = {
        "argv": [
            sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}",
            "--HistoryManager.enabled=False",
        ],
        "display_name": "Python 3",
        "language": "python",
    }  # fmt: skip
    (folder / "kernel.json").write_text(json.dumps(specification), "utf-8")
