"""Parts of any text: they rejoin and fit, pairs stay whole, and their count is what was measured."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.carriers import inbound
from trunkline.carriers.dialect import Alphabet, Dialect
from trunkline.carriers.encode import encode_parts
from trunkline.text import gsm0338
from trunkline.text.segment import MULTI, SINGLE, Encoding, measure, split

GSM7 = gsm0338.BASIC.replace("\x1b", "") + "".join(gsm0338.EXTENSION.values())
# Long texts from few characters, many of them of two units: the cuts are where the faults are.
texts = st.one_of(
    st.text(st.sampled_from(GSM7), max_size=500),
    st.text(st.sampled_from("a€{é"), max_size=500),
    st.text(st.sampled_from("ж\U0001f600a"), max_size=300),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
bits = st.sampled_from([8, 16])


@given(texts, bits)
def test_parts_rejoin_and_fit(text, width):
    encoding, units, count = measure(text, width)
    parts = split(text, width)
    assert "".join(parts) == text
    assert len(parts) == count
    if encoding is Encoding.GSM7:
        sizes = [len(gsm0338.encode(part)) for part in parts]
    else:
        sizes = [len(part.encode("utf-16-be")) // 2 for part in parts]
    assert sum(sizes) == units
    limit = SINGLE[encoding] if count == 1 else MULTI[width][encoding]
    assert max(sizes) <= limit
    # No part ends early: the next one's first character would not have fitted.
    for size, following in zip(sizes, parts[1:], strict=False):
        first = gsm0338.encode(following[0]) if encoding is Encoding.GSM7 else following[0].encode("utf-16-be")[::2]
        assert size + len(first) > limit


@given(texts)
def test_measure_counts_gsm7_exactly_where_every_character_is_in_the_alphabet(text):
    assert (measure(text).encoding is Encoding.GSM7) == (set(text) <= set(GSM7)) == (gsm0338.outside(text) == [])


@given(st.text(st.sampled_from(GSM7)))
def test_gsm7_decodes_to_what_was_encoded(text):
    assert gsm0338.decode(gsm0338.encode(text)) == text


@given(texts.map(lambda text: text.replace("\0", "").removeprefix("\ufeff")), st.sampled_from(list(Alphabet)), bits)
def test_what_is_encoded_for_a_carrier_reads_back(text, alphabet, width):
    dialect = Dialect(default_alphabet=alphabet, reference_bits=width)
    parts = encode_parts(text, dialect, 7)
    read = [inbound.parse(p.esm_class, p.data_coding, p.short_message, "", 0, "", 0, (), dialect) for p in parts]
    body = inbound.join(read)[0]
    if alphabet is Alphabet.LATIN1:  # C1 controls are read as Windows-1252
        body, text = ("".join(c for c in each if c.isascii() or c in GSM7) for each in (body, text))
    if not text.startswith("\ufffe"):  # a byte order mark of the other order
        assert body.replace("€", "") == text.replace("€", "")
