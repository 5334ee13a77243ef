"""The GPU benchmark with the kernels themselves, interpreted: a rehearsal of the whole."""

import json

import pytest

pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")

from bnkit.__main__ import main
from bnkit.bench import gpu_cases, gpu_tiles
from bnkit.kernels import tiles

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")


@pytest.mark.slow
def test_the_kernels_pass_their_checks_in_every_kind_of_case(tmp_path, monkeypatch):
    monkeypatch.setenv("BNKIT_COMMIT", "0" * 40)
    monkeypatch.setattr(gpu_cases, "TINY", [c for c in gpu_cases.TINY if "stack" not in c.name])
    monkeypatch.setattr("bnkit.bench.gpu_measure.REPEATS", 1)
    out = tmp_path / "record.json"
    assert main(["bench", "gpu", "--tiny", "--out", str(out)]) == 0
    for name, report in json.loads(out.read_text())["cases"].items():
        assert "error" not in report["arms"]["kernels"], name


def test_a_change_of_a_tile_is_timed_and_taken_back(monkeypatch, capsys):
    monkeypatch.setattr(tiles, "RESIDENT_FORWARD", tiles.Resident(0, 1))
    monkeypatch.setattr(tiles, "RESIDENT_BACKWARD", tiles.Resident(0, 1))
    monkeypatch.setattr(gpu_tiles, "CHOICES", {"columns": (64, 128)})
    monkeypatch.setattr(gpu_tiles, "REPEATS", 1)
    before = tiles.MOMENTS
    assert main(["bench", "tiles", "--tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("MOMENTS.columns 128 -> 64: ")
    assert before == tiles.MOMENTS
    assert main(["bench", "tiles", "--tiny", "--seconds", "1e-9"]) == 0
    assert "before MOMENTS.columns = 64" in capsys.readouterr().out
