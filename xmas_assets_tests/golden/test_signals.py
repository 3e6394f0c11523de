"""Signals read off a batch against the published codes' own values (``golden/data``, or others made the same way)."""

import numpy as np
import torch
from transformers import LlamaConfig

from xmas_assets.contracts.signal_settings import AttendedFeatureSettings, BlockActivationSettings
from xmas_assets.extraction.activations import AttendedFeatures, BlockActivations, TokenSpectra
from xmas_assets.extraction.answer_scores import AnswerScores
from xmas_assets.vlm.capture import Captured
from xmas_assets_tests.extraction.captures import answer_logits, cut_attention
from xmas_assets_tests.golden.vectors import load


def captured(is_real: np.ndarray, *, is_image: np.ndarray | None = None, **shown) -> Captured:
    none = np.zeros_like(is_real)
    real, image = torch.from_numpy(is_real), torch.from_numpy(none if is_image is None else is_image)
    shown.setdefault("is_answer", torch.from_numpy(none))
    return Captured(real.long(), real, image, **shown)


def test_block_activations_are_the_published_ones_within_half_precision():
    parameters, data = load("coincide_feature.npz")
    n_samples, n_tokens = data["o_proj_out"].shape[1:3]
    places = np.arange(n_tokens)
    text_start = parameters["prompt_len"] + parameters["vision_tokens"]
    is_real = places < text_start + data["language_length"][:, None]
    is_image = np.broadcast_to((places >= parameters["prompt_len"]) & (places < text_start), is_real.shape).copy()
    blocks = dict(zip(parameters["layers"], torch.from_numpy(data["o_proj_out"]), strict=True))
    signal = BlockActivations(BlockActivationSettings())
    values = signal.read(captured(is_real, is_image=is_image, block_outputs=blocks))["values"]
    np.testing.assert_allclose(values.reshape(n_samples, -1), data["embedding"], atol=5e-4, rtol=0)


def test_token_spectra_are_the_published_ones():
    """Of the layer that the published code reads; which one ours reads is for ``wants``."""
    data = load("datatailor_informativeness.npz")[1]
    is_real = np.arange(data["hidden"].shape[1]) < data["lengths"][:, None]
    hidden = torch.from_numpy(data["hidden"].astype(np.float32))
    found = TokenSpectra().read(captured(is_real, hidden_states={1: hidden}))
    np.testing.assert_allclose(found["entropy"], data["informativeness"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["leading_share"], data["tau"], rtol=1e-4)
    np.testing.assert_array_equal(found["last_token"], data["feature"])


def test_attended_features_are_the_published_ones():
    parameters, data = load("scalselect_repr.npz")
    is_real = np.ones(data["hidden"].shape[:2], dtype=bool)
    is_image, is_user = np.zeros_like(is_real), np.zeros_like(is_real)
    is_image[:, data["vision_idx"]], is_user[:, data["user_idx"]] = True, True
    real, image = torch.from_numpy(is_real), torch.from_numpy(is_image)
    shown = captured(
        is_real,
        is_image=is_image,
        is_answer=torch.from_numpy(~is_image & ~is_user),
        attention=cut_attention(torch.from_numpy(data["attn_mean"])[None], real, image),
        hidden_states={1: torch.from_numpy(data["hidden"])},
    )
    signal = AttendedFeatures(AttendedFeatureSettings(attention_share=parameters["cumulative_threshold"]))
    features = signal.read(shown.only(signal.capture_spec(LlamaConfig(num_hidden_layers=1))))["features"]
    by_user = data["attn_mean"][:, data["user_idx"]][:, :, data["vision_idx"]].mean(1)
    untied = [row for row, weights in enumerate(by_user) if len(np.unique(weights)) == len(weights)]
    assert len(untied) > 10
    np.testing.assert_allclose(features[untied], data["repr"][untied], rtol=1e-5, atol=1e-6)


def test_el2n_and_aum_are_the_published_ones_and_missing_without_labels():
    data = load("el2n_aum.npz")[1]
    labels = torch.from_numpy(data["labels"].astype(np.int64))
    is_answer = labels != -100
    is_answer[:, 0] = False  # nothing predicts the first token
    logits = answer_logits(torch.from_numpy(data["logits"].astype(np.float32)), labels.clamp(min=0), is_answer)
    shown = captured(np.ones(labels.shape, dtype=bool), is_answer=is_answer, logits=logits, lone_logits=logits)
    scores = AnswerScores().read(shown)
    is_scored = is_answer.any(1).numpy()
    for name in ("el2n", "aum"):
        np.testing.assert_allclose(scores[name][is_scored], data[name][is_scored], rtol=0, atol=1e-3)
        assert np.isnan(scores[name][~is_scored]).all()
        assert not data[name][~is_scored].any()
