import numpy as np
import pytest
import torch
from torch import Tensor

from xmas_assets.vlm.spectra import causal_probabilities, leading_singular_values, reference_probabilities
from xmas_assets_tests.golden import vectors


class Golden:
    """The published code's arrays, and where it cuts."""

    def __init__(self) -> None:
        parameters, self.arrays = vectors.load("xmas_feature.npz")
        self.n_values: int = parameters["k"]
        self.rows = slice(*parameters["row_slice"])
        self.columns = slice(*parameters["col_slice"])

    def layers(self, rows: slice, columns: slice) -> list[Tensor]:
        """Our probabilities of each layer, shape (n_samples, n_rows, n_columns)."""
        queries, keys = (torch.from_numpy(self.arrays[name]).float() for name in ("Q", "K"))
        n_samples, n_tokens = queries.shape[1:3]
        wanted = torch.arange(n_tokens)[rows].expand(n_samples, -1)
        is_real = torch.ones(n_samples, n_tokens, dtype=torch.bool)
        return [
            reference_probabilities(q, k, rows=wanted, is_real=is_real)[:, :, columns]
            for q, k in zip(queries, keys, strict=True)
        ]


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden()


def alternating(layers: list[Tensor]) -> Tensor:
    return sum(((-1) ** i * layer for i, layer in enumerate(layers)), start=torch.zeros(()))


@pytest.mark.parametrize(
    ("variant", "combine"),
    [
        ("full_cross_sum", sum),
        ("full_cross_wsum", alternating),
        ("full_cross_concat_text", lambda layers: torch.cat(layers, dim=1)),
        ("full_cross_concat_vision", lambda layers: torch.cat(layers, dim=2)),
    ],
)
def test_values_equal_the_published_codes(golden: Golden, variant: str, combine):
    matrices = combine(golden.layers(golden.rows, golden.columns))
    values = leading_singular_values(matrices, golden.n_values)
    np.testing.assert_allclose(values, golden.arrays[f"sv_{variant}"], rtol=2e-4)


def test_values_of_the_full_matrix_equal_the_published_codes(golden: Golden):
    after = slice(golden.columns.start, None)
    values = leading_singular_values(sum(golden.layers(after, after)), golden.n_values)
    np.testing.assert_allclose(values, golden.arrays["sv_full_fullmat_sum"], rtol=2e-4)


def test_the_summed_matrix_equals_the_published_codes(golden: Golden):
    summed = sum(golden.layers(golden.rows, golden.columns))
    np.testing.assert_allclose(summed[0], golden.arrays["A0"], rtol=2e-4)


def test_the_published_random_values_lie_below_ours_by_at_most_30_percent(golden: Golden):
    """The setting that the paper used, torch.svd_lowrank without oversampling: randomised, and biased low."""
    exact = leading_singular_values(sum(golden.layers(golden.rows, golden.columns)), golden.n_values).numpy()
    published = golden.arrays["sv_partial_cross_sum"]
    assert (published <= exact * (1 + 2e-4)).all()
    assert (published >= exact * 0.7).all()


def test_narrow_keys_are_widened_feature_by_feature():
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(1, 6, 4, generator=generator), torch.randn(1, 6, 2, generator=generator)
    rows, is_real = torch.tensor([[3, 5]]), torch.ones(1, 6, dtype=torch.bool)
    widened = keys[:, :, [0, 0, 1, 1]]
    found = reference_probabilities(queries, keys, rows=rows, is_real=is_real)
    assert torch.equal(found, reference_probabilities(queries, widened, rows=rows, is_real=is_real))
    turned = reference_probabilities(keys, queries, rows=rows, is_real=is_real)
    assert torch.equal(turned, reference_probabilities(widened, queries, rows=rows, is_real=is_real))


def test_reference_rows_are_distributions_over_real_tokens():
    queries, keys = torch.randn(2, 1, 5, 4, generator=torch.Generator().manual_seed(0))
    is_real = torch.tensor([[True, True, True, False, False]])
    found = reference_probabilities(queries, keys, rows=torch.tensor([[1, 2]]), is_real=is_real)
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 2))
    assert not found[:, :, 3:].any()


def test_causal_probabilities_worked_by_hand():
    """One head, scores 0, ln 2 and ln 5, the last token masked: 1/3 and 2/3."""
    query, key = torch.ones(1, 1, 1, 1), torch.tensor([1.0, 2.0, 5.0]).log().view(1, 1, 3, 1)
    allowed = torch.tensor([0.0, 0.0, float("-inf")])
    found = causal_probabilities(query, key, rows=torch.tensor([[0]]), allowed=allowed, scaling=1.0)
    torch.testing.assert_close(found, torch.tensor([[[1 / 3, 2 / 3, 0.0]]]))


def test_grouped_heads_share_their_groups_keys():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(1, 4, 3, 2, generator=generator), torch.randn(1, 2, 3, 2, generator=generator)
    rows, allowed = torch.tensor([[0, 1, 2]]), torch.zeros(())
    found = causal_probabilities(query, key, rows=rows, allowed=allowed, scaling=1.0)
    heads = [(query[0, head] @ key[0, head // 2].T).softmax(-1) for head in range(4)]
    torch.testing.assert_close(found[0], sum(heads) / 4)


@pytest.mark.parametrize("shape", [(4, 7, 30), (4, 30, 7), (4, 6, 6), (1, 1, 1), (3, 2, 9)])
def test_singular_values_equal_those_of_a_decomposition(shape: tuple[int, int, int]):
    matrices = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    expected = torch.linalg.svdvals(matrices.double())
    found = leading_singular_values(matrices, 5)
    n_values = min(5, expected.shape[1])
    torch.testing.assert_close(found[:, :n_values], expected[:, :n_values], rtol=1e-7, atol=0)
    assert not found[:, n_values:].any()


def test_small_values_keep_their_digits():
    """Float32 Gram matrices lose values of 1/10,000 of the first; ours keep four digits at 1/100,000."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, 3, dtype=torch.float64, generator=generator))[0] for n in (20, 50))
    matrices = (left * torch.tensor([1.0, 1e-4, 1e-5], dtype=torch.float64)) @ right.T
    torch.testing.assert_close(
        leading_singular_values(matrices[None], 3)[0],
        torch.tensor([1.0, 1e-4, 1e-5], dtype=torch.float64),
        rtol=1e-4,
        atol=0,
    )


def test_padding_with_zeros_changes_no_value():
    matrices = torch.rand(2, 5, 8, generator=torch.Generator().manual_seed(0))
    padded = torch.zeros(2, 9, 20)
    padded[:, :5, :8] = matrices
    torch.testing.assert_close(
        leading_singular_values(padded, 5), leading_singular_values(matrices, 5), rtol=1e-9, atol=0
    )


def test_deficient_ranks_give_exact_zeros():
    column = torch.rand(1, 6, 1, generator=torch.Generator().manual_seed(0))
    assert (leading_singular_values(column.expand(-1, -1, 4), 4)[0, 1:] == 0).all()
    assert leading_singular_values(torch.zeros(2, 3, 4), 2).tolist() == [[0.0, 0.0]] * 2
    assert leading_singular_values(torch.zeros(2, 0, 4), 2).tolist() == [[0.0, 0.0]] * 2
