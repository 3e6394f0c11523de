"""Regression on a few examples."""

from xmas_assets.core.arrays import FloatArray


def ridge_predictions(values: FloatArray, known: FloatArray, targets: FloatArray, *, ridge: float) -> FloatArray:
    """Targets expected of rows, shape (n_rows,), by ridge regression with an intercept.

    Args:
        values: Of the rows, shape (n_rows, n_features).
        known: Of the examples, shape (n_examples, n_features); they are scaled to variance 1, and a feature that is the
            same in all examples has no effect.
        targets: Of the examples, shape (n_examples,).
        ridge: Added to the diagonal of the scaled features' Gram matrix, > 0.

    Example:
        >>> import numpy as np
        >>> known, targets = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 2.0, 3.0])
        >>> ridge_predictions(np.array([[3.0]]), known, targets, ridge=1.0).round(6).tolist()
        [3.5]
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha=ridge, solver="cholesky")).fit(known, targets).predict(values)
