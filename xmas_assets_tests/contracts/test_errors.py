import inspect
import pickle

import pytest

from xmas_assets.contracts import errors

TYPES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.XmasError)]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_an_error_says_the_same_after_it_came_from_another_process(kind):
    words = ("image_missing", "a.png does not exist") if kind is errors.ImageError else ("seen; allowed; do this",)
    error = kind(*words)
    came = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(came), str(came), vars(came)) == (kind, str(error), vars(error))
