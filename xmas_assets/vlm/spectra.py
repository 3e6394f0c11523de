"""Arithmetic on attention tensors: probabilities of chosen rows, and leading singular values. No models here."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor


def causal_probabilities(
    query: Tensor, key: Tensor, *, rows: Tensor, allowed: Tensor, scaling: float, cap: float | None = None
) -> Tensor:
    """Mean over heads of the attention probabilities of chosen query positions; other rows are never formed.

    Args:
        query: Shape (batch, n_heads, n_queries, width), as the attention layer uses it (after rotary embedding).
        key: Shape (batch, n_key_heads, n_keys, width); ``n_heads`` is a multiple of ``n_key_heads`` (grouped queries).
        rows: Query positions, shape (batch, n_rows), int64.
        allowed: What is added to the scores of those rows: 0 where a row may look, a huge negative number or minus
            infinity where not; broadcastable to (batch, n_heads, n_rows, n_keys), float32.
        scaling: Factor on the scores.
        cap: Where scores are bent to stay within, if the model does so.

    Returns:
        Shape (batch, n_rows, n_keys), float32; every row adds up to 1.
    """
    return _probabilities(query, key, rows=rows, allowed=allowed, scaling=scaling, cap=cap).mean(1)


def attend_capped(query: Tensor, key: Tensor, value: Tensor, *, allowed: Tensor, scaling: float, cap: float) -> Tensor:
    """What attention with capped scores puts out, which the fast kernel refuses to compute.

    Args:
        query: As in ``causal_probabilities``.
        key: The same.
        value: Shape (batch, n_key_heads, n_keys, width).
        allowed: Of all query positions.
        scaling: Factor on the scores.
        cap: Where scores are bent to stay within.

    Returns:
        Shape (batch, n_queries, n_heads, width), in value's type.
    """
    n_heads, n_queries = query.shape[1:3]
    rows = torch.arange(n_queries, device=query.device).expand(len(query), -1)
    probabilities = _probabilities(query, key, rows=rows, allowed=allowed, scaling=scaling, cap=cap).to(value.dtype)
    repeated = value.repeat_interleave(n_heads // value.shape[1], dim=1)
    return (probabilities @ repeated).transpose(1, 2)


def _probabilities(
    query: Tensor, key: Tensor, *, rows: Tensor, allowed: Tensor, scaling: float, cap: float | None
) -> Tensor:
    """Attention probabilities of chosen rows, shape (batch, n_heads, n_rows, n_keys), float32."""
    n_batch, n_heads, _, width = query.shape
    n_rows, n_key_heads = rows.shape[1], key.shape[1]
    chosen = query.gather(2, rows[:, None, :, None].expand(-1, n_heads, -1, width)).float()
    # The heads that share a key head stand below each other, so that the keys need not be repeated.
    grouped = chosen.reshape(n_batch, n_key_heads, n_heads // n_key_heads * n_rows, width) * scaling
    scores = (grouped @ key.float().transpose(2, 3)).view(n_batch, n_heads, n_rows, key.shape[2])
    if cap is not None:
        scores = cap * (scores / cap).tanh()
    return (scores + allowed).softmax(-1)


def probabilities_behind_shared(
    query: Tensor, key: Tensor, *, n_shared: int, lengths: Sequence[int], scaling: float
) -> Tensor:
    """Attention probabilities of rows that see what they share, and each its own tokens up to itself.

    Args:
        query: Of the own tokens, row after row, shape (n_heads, n_own, width).
        key: Of the shared tokens and then the own ones, shape (n_key_heads, n_shared + n_own, width).
        n_shared: Tokens in front that all rows share.
        lengths: Own tokens of each row; they add up to n_own.
        scaling: Factor on the scores.

    Returns:
        Shape (n_heads, n_own, n_shared + longest), float32: columns are the positions in a token's own row; every row
        adds up to 1.
    """
    n_heads, n_own, _ = query.shape
    longest = max(lengths)
    query, key = query.float() * scaling, key.float()
    scores = torch.empty(n_heads, n_own, n_shared + longest, device=query.device)
    scores[:, :, :n_shared] = _scores(query, key[:, :n_shared])
    own = scores[:, :, n_shared:].fill_(float("-inf"))
    is_later = torch.ones(longest, longest, dtype=torch.bool, device=query.device).triu(1)
    for start, length in zip(_starts(lengths), lengths, strict=True):
        rows = slice(start, start + length)
        part = _scores(query[:, rows], key[:, n_shared + start : n_shared + start + length])
        own[:, rows, :length] = part.masked_fill_(is_later[:length, :length], float("-inf"))
    return scores.softmax(-1)


def attend_behind_shared(probabilities: Tensor, value: Tensor, *, n_shared: int, lengths: Sequence[int]) -> Tensor:
    """What attention with ``probabilities_behind_shared`` puts out, shape (n_heads, n_own, width), in value's type."""
    probabilities = probabilities.to(value.dtype)
    output = _weighted(probabilities[:, :, :n_shared], value[:, :n_shared])
    for start, length in zip(_starts(lengths), lengths, strict=True):
        rows = slice(start, start + length)
        own = probabilities[:, rows, n_shared : n_shared + length]
        output[:, rows] += _weighted(own, value[:, n_shared + start : n_shared + start + length])
    return output


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Products of queries and keys, shape (n_heads, n_queries, n_keys)."""
    n_heads, n_queries, width = query.shape
    # The heads that share a key head stand below each other, so that the keys need not be repeated.
    grouped = query.reshape(len(key), n_heads // len(key) * n_queries, width)
    return (grouped @ key.transpose(1, 2)).view(n_heads, n_queries, key.shape[1])


def _weighted(weights: Tensor, value: Tensor) -> Tensor:
    """Weighted sums of values, shape (n_heads, n_queries, width)."""
    n_heads, n_queries, n_keys = weights.shape
    grouped = weights.reshape(len(value), n_heads // len(value) * n_queries, n_keys)
    return (grouped @ value).view(n_heads, n_queries, value.shape[2])


def _starts(lengths: Sequence[int]) -> list[int]:
    """Where parts of these lengths start that stand one after the other."""
    return [0, *accumulate(lengths)][:-1]


def reference_probabilities(queries: Tensor, keys: Tensor, *, rows: Tensor, is_real: Tensor) -> Tensor:
    """Attention probabilities as the published XMAS code forms them, for chosen rows of one layer.

    Rows are key positions and columns query positions (the published arguments are swapped), and the softmax runs
    over queries. No heads, no rotary embedding, no causal mask.

    Args:
        queries: Raw outputs of ``q_proj``, shape (batch, n_tokens, width of the queries).
        keys: Raw outputs of ``k_proj``, shape (batch, n_tokens, width of the keys). The narrower of the two is
            widened by repeating each feature in place.
        rows: Key positions, shape (batch, n_rows), int64.
        is_real: False at padding, shape (batch, n_tokens).

    Returns:
        Shape (batch, n_rows, n_tokens), float32; every row adds up to 1 over the sample's real tokens.

    Source:
        XMAS (arXiv 2510.01454), published code, ``attn_svd``. Deviation: there padding enters the softmax and the rows,
        so that a sample's values depend on its batch mates; here it does not.
    """
    width = max(queries.shape[-1], keys.shape[-1])
    queries = queries.float().repeat_interleave(width // queries.shape[-1], dim=-1)
    keys = keys.float().repeat_interleave(width // keys.shape[-1], dim=-1)
    chosen = keys.gather(1, rows[:, :, None].expand(-1, -1, width))
    scores = (chosen @ queries.transpose(1, 2)) / width**0.5
    return scores.masked_fill(~is_real[:, None, :], float("-inf")).softmax(-1)


def leading_singular_values(matrices: Tensor, n_values: int) -> Tensor:
    """The largest singular values of each matrix, descending, padded with zeros where there are fewer.

    They come from the Gram matrix of the smaller side in float64: squaring halves the digits of float64, which still
    leaves more than the float32 entries had. What lies below that resolution is rank deficiency and given as 0.

    Args:
        matrices: Shape (batch, n_rows, n_columns). Rows and columns of zeros (padding) change nothing.
        n_values: Values per matrix.

    Returns:
        Shape (batch, n_values), float64, each >= 0.

    Example:
        >>> leading_singular_values(torch.tensor([[[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]]), 3).tolist()
        [[4.0, 3.0, 0.0]]
    """
    wide = matrices.double()
    if wide.shape[1] > wide.shape[2]:
        wide = wide.transpose(1, 2)
    n_batch, n_side, _ = wide.shape
    values = wide.new_zeros(n_batch, n_values)
    if n_side == 0:
        return values
    squares = torch.linalg.eigvalsh(wide @ wide.transpose(1, 2)).flip(-1)[:, :n_values]
    floor = squares[:, :1] * n_side * torch.finfo(torch.float64).eps
    values[:, : squares.shape[1]] = squares.where(squares > floor, 0.0).sqrt()
    return values
