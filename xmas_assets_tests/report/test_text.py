from xmas_assets.report.text import figure_text, markdown_cell, visible


def test_control_ansi_and_bidirectional_codes_are_spelt_out():
    assert visible("a\x1b[2Jb\nc\u202ed\x9b\ud800") == r"a\x1b[2Jb\nc\u202ed\x9b\ud800"


def test_letters_of_any_script_stay_as_they_are():
    assert visible("größe 計数 🟥") == "größe 計数 🟥"


def test_long_text_ends_in_an_ellipsis_and_never_passes_the_limit():
    assert visible("x" * 100, 10) == "x" * 9 + "…"
    assert len(visible("\x1b" * 100, 10)) == 10
    assert visible("x" * 10, 10) == "x" * 10


def test_a_markdown_cell_holds_no_markup():
    assert markdown_cell("![x](http://y)|`z`<b>&") == r"!\[x\](http://y)\|\`z\`&lt;b&gt;&amp;"


def test_dollar_signs_do_not_start_a_formula():
    assert figure_text("$x$") == r"\$x\$"
