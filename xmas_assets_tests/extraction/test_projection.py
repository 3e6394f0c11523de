import numpy as np
import pytest
import torch

from xmas_assets.extraction.projection import Projection

WIDTH = 512
PARTS = {"a": 700, "b": 5000, "c": 100}


def vectors(kind: str, rng: np.random.Generator) -> torch.Tensor:
    """40 vectors of 5800 entries: dense, with few large entries, or large in the same column of a matrix."""
    values = rng.standard_normal((40, sum(PARTS.values())))
    if kind == "spiky":
        values *= rng.random(values.shape) < 0.01
    if kind == "columns":
        values[:, :: WIDTH // 2] *= 30
    return torch.from_numpy(values).float()


def project(values: torch.Tensor, *, seed: int) -> torch.Tensor:
    projection, parts = Projection(WIDTH, seed=seed), values.split(list(PARTS.values()), 1)
    return torch.stack([projection.project(*part) for part in zip(PARTS, parts, strict=True)]).sum(0)


@pytest.mark.parametrize("kind", ["dense", "spiky", "columns"])
def test_inner_products_are_kept_within_the_bound_of_johnson_and_lindenstrauss(kind):
    """Over pairs and 30 seeds the error has mean 0, and a spread of at most sqrt((1 + cos^2) / width)."""
    values = vectors(kind, np.random.default_rng(0))
    values[20:] += values[:20]  # so that some pairs are alike
    values /= values.norm(dim=1, keepdim=True)
    true = (values @ values.T).double()
    errors = torch.stack([project(values, seed=seed).double() for seed in range(30)])
    errors = (errors @ errors.transpose(1, 2) - true) / ((1 + true**2) / WIDTH).sqrt()
    pairs = errors[:, *torch.triu_indices(40, 40)].numpy()
    assert abs(pairs.mean()) < 0.05
    assert 0.7 < pairs.std() < 1.05
    assert (np.abs(pairs) > 3).mean() < 0.03  # Chebyshev allows 1 in 9


def test_cosines_at_the_default_width_are_off_by_a_few_hundredths_at_most():
    rng = np.random.default_rng(1)
    values = torch.from_numpy(rng.standard_normal((60, 40_000))).float() + torch.linspace(0, 2, 60)[:, None]
    unit = torch.nn.functional.normalize
    true = unit(values) @ unit(values).T
    seen = unit(Projection(8192, seed=0).project("all", values))
    assert (seen @ seen.T - true).abs().max() < 0.05


def test_a_vectors_projection_is_its_own_and_the_names_and_seed_decide_it():
    values = vectors("dense", np.random.default_rng(2))
    whole = project(values, seed=0)
    torch.testing.assert_close(project(values[7:8], seed=0), whole[7:8], rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(project(2 * values, seed=0), 2 * whole)
    assert not torch.allclose(project(values, seed=1), whole, atol=1)
    first, second = (Projection(64, seed=0).project(part, values[:, :700]) for part in "ab")
    assert not torch.allclose(first, second, atol=1)


def test_a_short_vector_keeps_its_length():
    values = torch.tensor([[3.0, -4.0]])
    assert Projection(100, seed=3).project("short", values).norm().item() == pytest.approx(5.0)
