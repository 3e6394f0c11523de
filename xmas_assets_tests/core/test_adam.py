import numpy as np
import pytest
import torch

from xmas_assets.core.adam import adam_direction


def test_the_direction_is_the_step_that_torch_takes():
    """After seven steps on other gradients, an eighth on one more moves the weights by -rate times the direction."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.zeros(20, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([weights], lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.0)
    for _ in range(7):
        weights.grad = torch.randn(20, generator=generator, dtype=torch.float64)
        optimizer.step()
    state = {name: value.clone() for name, value in optimizer.state[weights].items()}
    before, gradient = weights.detach().clone(), torch.randn(20, generator=generator, dtype=torch.float64)
    weights.grad = gradient
    optimizer.step()
    found = adam_direction(
        gradient, state["exp_avg"], state["exp_avg_sq"], step=int(state["step"]), betas=(0.8, 0.95), epsilon=1e-3
    )
    np.testing.assert_allclose((before - weights.detach()) / 0.01, found, rtol=1e-9)


def test_rows_do_not_touch_each_other():
    first, second = np.array([0.3, -0.1]), np.array([0.2, 0.1])
    rows = np.array([[1.0, 2.0], [-4.0, 0.5]])
    options = {"step": 3, "betas": (0.9, 0.999), "epsilon": 1e-8}
    both = adam_direction(rows, first, second, **options)
    assert both.tolist() == [adam_direction(row, first, second, **options).tolist() for row in rows]
    # By hand, entry [0, 0]: m = (0.27 + 0.1) / (1 - 0.9^4), v = (0.1998 + 0.001) / (1 - 0.999^4).
    assert both[0, 0] == pytest.approx((0.37 / 0.3439) / (0.2008 / 0.003994003999) ** 0.5)
