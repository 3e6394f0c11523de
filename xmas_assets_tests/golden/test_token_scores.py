"""Ours against the published EL2N and AUM scores (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest

from xmas_assets.core.token_scores import aum, el2n
from xmas_assets_tests.golden.vectors import load

PARAMETERS, DATA = load("el2n_aum.npz")


@pytest.mark.parametrize(("name", "score"), [("el2n", el2n), ("aum", aum)])
def test_scores_of_answer_tokens_are_the_published_ones(name, score):
    values = []
    for logits, labels in zip(DATA["logits"], DATA["labels"], strict=True):
        predicted = np.flatnonzero(labels[1:] != -100)  # the logits at a token predict the next one
        values.append(score(logits[predicted], labels[1:][predicted]))
    np.testing.assert_allclose(values, DATA[name].astype(np.float64), rtol=0, atol=1e-3)
