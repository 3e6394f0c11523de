"""The feature that COINCIDE clusters: pooled outputs of attention blocks, image and text part side by side."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.similarity import unit_rows


def activation_features(image_means: FloatArray, text_means: FloatArray) -> NDArray[np.float32]:
    """Tanh of the pooled activations, each part of each layer of unit length, over ``sqrt(2 * n_layers)``.

    The tanh comes after the mean, as in the published code. A part without tokens (a text-only row has no image part)
    is all zeros, so such a row has length ``1 / sqrt(2)`` instead of 1; the published code reads other tokens there.

    Args:
        image_means: Mean output of the attention block over the image tokens, shape (n_samples, n_layers, width);
            zeros where there are none.
        text_means: Likewise over the text tokens after the image.

    Returns:
        Shape (n_samples, n_layers, 2, width): the image part first.

    Raises:
        ValueError: If the shapes differ or are not three-dimensional.

    Source:
        COINCIDE (arXiv 2406.10995), published code ``extract_embed.py``; layers 4, 8, 12, 16, 20 of 24.

    Example:
        >>> activation_features(np.zeros((1, 2, 1)), np.array([[[5.0], [-0.1]]])).tolist()
        [[[[0.0], [0.5]], [[0.0], [-0.5]]]]
    """
    if image_means.shape != text_means.shape or image_means.ndim != 3:
        raise ValueError(
            f"image_means {image_means.shape} and text_means {text_means.shape} must both have shape "
            "(n_samples, n_layers, width)"
        )
    parts = unit_rows(np.tanh(np.stack([image_means, text_means], axis=2).astype(np.float32)))
    return (parts / np.sqrt(2 * image_means.shape[1])).astype(np.float32)
