"""How many models are in memory, and how often each is loaded."""

import weakref

import pytest

from xmas_assets.extraction.checkpoint_loader import ModelsInTurn


class Model:
    """What a loader gives."""


@pytest.mark.parametrize(("in_memory", "loads_of_a_later_visit"), [(1, 4), (2, 3), (4, 1), (5, 0), (9, 0)])
def test_a_visit_to_all_loads_those_that_are_not_in_memory_and_no_more_are_ever_held(in_memory, loads_of_a_later_visit):
    loaded: list[weakref.ref[Model]] = []
    held = []

    def load() -> Model:
        model = Model()
        loaded.append(weakref.ref(model))
        held.append(sum(reference() is not None for reference in loaded))
        return model

    models = ModelsInTurn([load] * 5, in_memory=in_memory)
    n_loads = []
    for _ in range(3):
        before = len(loaded)
        assert sorted(models.order()) == [0, 1, 2, 3, 4]
        for number in models.order():
            assert models[number] is models[number]
        n_loads.append(len(loaded) - before)
    assert n_loads == [5, loads_of_a_later_visit, loads_of_a_later_visit]
    assert max(held) == min(in_memory, 5)
    models.forget()
    assert not any(reference() for reference in loaded)
