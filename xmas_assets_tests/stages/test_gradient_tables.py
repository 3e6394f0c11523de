import tracemalloc

import numpy as np

from xmas_assets.contracts.samples import Sample
from xmas_assets.extraction import gradients
from xmas_assets.extraction import shard_arrays as parts
from xmas_assets.stages.gradient_tables import read_norms


def test_norms_are_read_without_keeping_the_gradients(tmp_path, monkeypatch):
    """2000 rows of 1 + 1024 values are 8 MB; their norms are 8 kB, and a block is 0.25 MB."""
    monkeypatch.setattr(parts, "_BLOCK_BYTES", 1 << 18)
    values = np.arange(2000, dtype=np.float32)[:, None, None].repeat(1025, axis=2)
    np.save(tmp_path / "shard.npy", values)
    sample = Sample("a", (), (), ())
    extracted = gradients.Gradients([sample] * 2000, 1, 1024, [(np.arange(2000), tmp_path / "shard.npy")], ())
    tracemalloc.start()
    try:
        norms = read_norms(extracted)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert norms.tolist() == [[row] for row in range(2000)]
    assert peak < 2e6
