import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bnkit import progress

CHECKOUT = Path(__file__).resolve().parent.parent


def test_a_bar_counts_its_units():
    stream = io.StringIO()
    with progress.progress_bar(3, "seed", disable=False, desc="sweep", file=stream) as bar:
        bar.update(2)
        bar.set_postfix(loss="0.5")
    assert "sweep:  67%" in stream.getvalue()
    assert "2/3" in stream.getvalue()


def test_without_tqdm_there_is_silence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress.progress_bar(3, "seed", disable=False) as bar:
        bar.update()
        bar.set_postfix(loss="0.5")
    bar.close()
    assert isinstance(bar, progress.Silence)
    assert capsys.readouterr() == ("", "")


# What an image for PyTorch on GPUs is not sure to have. torch itself brings filelock, scikit-learn
# joblib, and seaborn, by way of matplotlib, Pillow.
ABSENT = (
    "tqdm", "jupyter", "jupyter_core", "papermill", "pooch", "plotly", "dask", "distributed",
    "psutil", "yaml", "nbformat", "nbclient", "ipykernel", "IPython", "myst_nb", "jupyterquiz",
)  # fmt: skip
SWEEP = """
import sys
for name in {absent}: sys.modules[name] = None
from dataclasses import replace
from bnkit import experiments, store, sweep
arm = experiments.find("full_scale").ARMS["batch-resnet"].spec
arm = replace(arm, data_set="digits", num_seen=32, num_curve_looks=1)
spec = replace(arm, batch_size=16, device="cpu", rate=0.1)
sweep.run("full_scale", [spec], [2000], workers=1, quiet=True)
assert store.recorded_seeds("full_scale", spec) == [2000]
"""


@pytest.mark.slow
def test_a_full_scale_run_needs_no_more_than_a_gpu_image_has(tmp_path):
    code = SWEEP.format(absent=ABSENT)
    (tmp_path / "data").mkdir()
    shutil.copy(CHECKOUT / "data" / "claims.toml", tmp_path / "data")
    alone = {**os.environ, "BNKIT_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=alone
    )
    assert done.returncode == 0, done.stderr
