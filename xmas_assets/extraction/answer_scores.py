"""Answer scores: how well a model predicts the tokens of a sample's answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xmas_assets.vlm.capture import Captured, CaptureSpec, Logits

_TOKENS_AT_ONCE = 512  # times the vocabulary, in float32: 64 MiB at 32,000 words


@dataclass(frozen=True)
class AnswerScores:
    """Loss, perplexity, EL2N, AUM and IFD: means over the tokens of all of a row's answers, end tokens included.

    Perplexity is exp of the mean loss. EL2N and AUM are those of ``core.token_scores``, here for a batch. IFD is the
    loss given image and prompt over the loss of the answers on their own, those of several turns one behind the other.
    An answer of weight 0 is no answer here; in the means every other token counts once, whatever its weight.

    Source:
        EL2N: Paul et al. 2021 (arXiv 2107.07075). AUM: COINCIDE's published code. IFD: Cherry LLM (arXiv 2308.12032).
        Deviation from the published codes: a row without answer tokens has no value, instead of 0.
    """

    name: ClassVar[str] = "answer_scores"
    every_checkpoint: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the answers' logits with and without what comes before them."""
        return CaptureSpec(logits=True, lone_logits=True)

    def columns(self, language_config: Any) -> Mapping[str, tuple[int, ...]]:
        """Give one number each for ``loss``, ``perplexity``, ``el2n``, ``aum`` and ``ifd``."""
        return dict.fromkeys(("loss", "perplexity", "el2n", "aum", "ifd"), ())

    def read(self, captured: Captured) -> Mapping[str, NDArray[np.float32]]:
        """Score every row's answers; NaN without answer tokens, and for IFD where the loss on their own is 0."""
        assert captured.logits is not None
        assert captured.lone_logits is not None
        loss, el2n, aum = _mean_scores(captured.logits)
        lone_loss = _mean_scores(captured.lone_logits).loss
        ifd = loss / lone_loss.where(lone_loss > 0, torch.nan)
        scores = {"loss": loss, "perplexity": loss.exp(), "el2n": el2n, "aum": aum, "ifd": ifd}
        return {name: values.float().cpu().numpy() for name, values in scores.items()}


class _Scores(NamedTuple):
    """Of tokens, or means of rows; each of shape (n,)."""

    loss: Tensor
    el2n: Tensor
    aum: Tensor


def _mean_scores(logits: Logits) -> _Scores:
    """Mean of each row's tokens, float64; NaN for rows without one."""
    values, targets = logits.values[logits.is_target], logits.targets[logits.is_target]
    parts = zip(values.split(_TOKENS_AT_ONCE), targets.split(_TOKENS_AT_ONCE), strict=True)
    scores = (torch.cat(score) for score in zip(*(_token_scores(*part) for part in parts), strict=True))
    return _Scores(*(_row_means(score, logits.is_target) for score in scores))


def _token_scores(logits: Tensor, targets: Tensor) -> _Scores:
    """Scores of single tokens from logits of shape (n_tokens, vocabulary), float32."""
    logarithms = logits.log_softmax(-1)
    right = logarithms.gather(1, targets[:, None])[:, 0]
    others = logarithms.scatter(1, targets[:, None], -torch.inf).exp()
    # What is missing to certainty is the sum of the others: 1 minus a probability near 1 would have no digits left.
    el2n = (others.sum(-1).square() + others.square().sum(-1)).sqrt()
    return _Scores(loss=-right, el2n=el2n, aum=right.exp() - others.amax(-1))


def _row_means(scores: Tensor, is_target: Tensor) -> Tensor:
    sums = torch.zeros(is_target.shape, dtype=torch.float64, device=scores.device)
    sums[is_target] = scores.double()
    return sums.sum(1) / is_target.sum(1)
