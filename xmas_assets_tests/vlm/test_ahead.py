import threading

import pytest

from xmas_assets.vlm.ahead import ahead


def test_items_are_made_in_order_in_another_thread_and_no_more_than_a_few_ahead():
    made: list[int] = []
    main = threading.get_ident()

    def make(item: int) -> int:
        assert threading.get_ident() != main
        made.append(item)
        return item * item

    for number, square in enumerate(ahead(make, range(20))):
        assert square == number * number
        assert len(made) <= number + 3
    assert made == list(range(20))


def test_a_failure_comes_out_where_its_item_would():
    def make(item: int) -> int:
        if item == 2:
            raise ValueError("item 2")
        return item

    seen = []
    with pytest.raises(ValueError, match="item 2"):
        seen += [seen.append(item) for item in ahead(make, range(9))]
    assert seen == [0, 1]


def test_what_nobody_takes_any_more_is_not_made():
    made: list[int] = []
    items = ahead(made.append, range(1000))
    next(items)
    items.close()
    assert len(made) <= 4
