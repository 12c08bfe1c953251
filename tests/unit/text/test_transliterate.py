"""Typography as GSM-7 has it: what is replaced, and that nothing else ever is."""

import unicodedata

import pytest

from trunkline.text import gsm0338
from trunkline.text.transliterate import TABLE, changes, gsm7_form


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“It’s” – 9—5…", '"It\'s" - 9-5...'),
        ("a\u00a0b\u202fc\u2009d", "a b c d"),
        ("pay\u200bnow\ufeff", "paynow"),
        ("ﬁne œuvre", "fine oeuvre"),
        ("ＯＴＰ：１２３", "OTP:123"),
        ("line\u2028line", "line\nline"),
        ("10 \u2126", "10 Ω"),
        ("plain", "plain"),
    ],
)
def test_what_is_written_for_it(text, plain):
    assert gsm7_form(text) == plain


@pytest.mark.parametrize("text", ["“está”", "“да”", "… 😀", "“ç”", "“ţ”", "\u200b", ""])
def test_a_text_that_stays_outside_is_left_as_it_is(text):
    assert gsm7_form(text) is None


def test_changes_are_told_once_in_the_order_of_the_text():
    assert changes("“a” “b”…\u200b") == [("“", '"'), ("”", '"'), ("…", "..."), ("\u200b", "")]
    assert changes("plain") == []


def test_the_table_replaces_only_what_gsm7_lacks_and_by_gsm7():
    assert set(gsm0338.outside("".join(TABLE))) == set(TABLE)
    assert all(gsm0338.codes(plain) is not None for plain in TABLE.values())


def test_no_letter_loses_an_accent():
    for char, plain in TABLE.items():
        accents = [c for c in unicodedata.normalize("NFD", char) if unicodedata.combining(c)]
        assert not accents or unicodedata.normalize("NFD", plain) == unicodedata.normalize("NFD", char), char
