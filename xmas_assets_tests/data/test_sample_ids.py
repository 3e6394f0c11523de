from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from xmas_assets.data.sample_ids import SampleIds


def content(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def assigned(rows: list[tuple[str | None, str]]) -> list[str]:
    ids = SampleIds()
    base_ids = [ids.note(name, content(text)) for name, text in rows]
    return [ids.assign(base_id, content(text)) for base_id, (_, text) in zip(base_ids, rows, strict=True)]


def test_an_id_that_stands_once_is_kept():
    assert assigned([("a", "x"), ("b", "x"), ("é#2", "x")]) == ["a", "b", "é#2"]


def test_an_id_with_different_contents_gets_a_suffix_of_each_content():
    assert assigned([("a", "x"), ("b", "x"), ("a", "y")]) == [f"a#{content('x')[:8]}", "b", f"a#{content('y')[:8]}"]


def test_rows_equal_in_id_and_content_are_numbered():
    assert assigned([("a", "x"), ("a", "x"), ("a", "x")]) == ["a", "a#2", "a#3"]


def test_repeated_and_varied_ids_get_suffix_and_number():
    x, y = content("x")[:8], content("y")[:8]
    assert assigned([("a", "x"), ("a", "y"), ("a", "x")]) == [f"a#{x}", f"a#{y}", f"a#{x}#2"]


def test_a_missing_id_is_made_of_the_content():
    assert assigned([(None, "x"), (None, "y"), (None, "x")]) == [
        f"auto-{content('x')[:16]}",
        f"auto-{content('y')[:16]}",
        f"auto-{content('x')[:16]}#2",
    ]


def test_a_made_id_never_takes_one_that_the_source_has():
    assert assigned([("a", "x"), ("a#2", "y"), ("a", "x")]) == ["a", "a#2", "a#3"]


SMALL = st.tuples(st.sampled_from([None, "a", "a#2", "a#3", "a#2#2", "b"]), st.sampled_from("xy"))


@given(st.lists(SMALL, max_size=12))
def test_ids_are_unique_whatever_the_source_has(rows):
    names = assigned(rows)
    assert len(set(names)) == len(names)


@given(st.lists(SMALL, max_size=8).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_the_rows_changes_no_id(orders):
    rows, shuffled = orders
    named = [sorted(zip(map(str, order), assigned(list(order)), strict=True)) for order in (rows, shuffled)]
    assert named[0] == named[1]
