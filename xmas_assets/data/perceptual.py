"""A code of what a picture looks like, which changes little when it is encoded anew, resized or made brighter."""

import numpy as np
from PIL import Image

CODE_BYTES = 8
NEAR_BITS = 6
"""Pictures whose codes differ in at most so many of 64 bits are called near.

The post that ``imagehash.phash`` follows (hackerfactor.com, "Looks Like It", 2011) calls 5 bits close and 10 another
picture.
Codes have 32 ones, so they differ in an even number of bits; of the two beside 5, a crop by 2 % needs 6.
Of 665,000 x 10,000 random codes, 0.03 pairs are as near by chance.
"""
LIBRARIES = ("imagehash", "numpy", "pillow", "scipy")
"""They decide the codes."""
_SIDE = 32
_LEAST_CONTRAST = 1.0  # standard deviation, of 255 grey levels: below it, what JPEG rounds decides the bits
_LEAST_ONES = 16  # of 64; half are ones unless many frequencies are absent, as in one colour or an even gradient


def perceptual_code(image: Image.Image) -> bytes | None:
    """The code of a picture (``imagehash.phash``: signs of 8 x 8 low frequencies of its grey levels).

    Returns:
        ``CODE_BYTES`` bytes; None for a picture that has too little structure to be recognised, such as one of a
        single colour: the codes of all of these are alike.
    """
    import imagehash

    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    bits = imagehash.phash(small).hash
    if np.asarray(small).std() < _LEAST_CONTRAST or np.count_nonzero(bits) < _LEAST_ONES:
        return None
    return np.packbits(bits).tobytes()
