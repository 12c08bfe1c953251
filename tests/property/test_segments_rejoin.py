"""Parts of any text: they rejoin and fit, pairs stay whole, and their count is what was measured."""

import regex
from hypothesis import given
from hypothesis import strategies as st

from trunkline.carriers import inbound
from trunkline.carriers.dialect import Alphabet, Dialect
from trunkline.carriers.encode import encode_parts, measured
from trunkline.text import gsm0338, udh
from trunkline.text.national import LANGUAGES
from trunkline.text.segment import MOST_PARTS, MULTI, SINGLE, Encoding, measure, split
from trunkline.text.transliterate import TABLE, gsm7_form

GSM7 = gsm0338.BASIC.replace("\x1b", "") + "".join(gsm0338.EXTENSION.values())
# Long texts from few characters, many of them of two units: the cuts are where the faults are.
texts = st.one_of(
    st.text(st.sampled_from(GSM7), max_size=500),
    st.text(st.sampled_from("a€{é"), max_size=500),
    st.text(st.sampled_from("ж\U0001f600a"), max_size=300),
    st.text(
        st.sampled_from("жa\U0001f468\u200d\U0001f1f3\U0001f1f1\u0301\ufe0f\u1112\u1161\u0938\u094d\r\n"), max_size=300
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
turkish = st.one_of(
    st.text(st.sampled_from("aşığ€{ñãõç"), max_size=400),
    st.text(st.sampled_from("aşığ€{"), min_size=150, max_size=500),
    st.text(st.sampled_from("aãõç€{"), min_size=150, max_size=500),
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
    # No part ends early: what a reader sees as the next one's first character would not have fitted.
    for size, following in zip(sizes, parts[1:], strict=False):
        if encoding is Encoding.GSM7:
            first = gsm0338.encode(following[0])
        else:
            first = regex.match(r"\X", following)[0].encode("utf-16-be")[::2]
        assert size + len(first) > limit


@given(texts, bits)
def test_no_cluster_that_a_part_has_room_for_is_divided(text, width):
    if (found := measure(text, width)).encoding is Encoding.GSM7 or found.parts == 1:
        return
    limit = MULTI[width][Encoding.UCS2]
    ends, clusters = set(), set()
    at = 0
    for part in split(text, width):
        ends.add(at := at + len(part))
    at = 0
    for cluster in regex.findall(r"\X", text):
        if len(cluster.encode("utf-16-be")) <= 2 * limit:
            clusters |= set(range(at + 1, at + len(cluster)))
        at += len(cluster)
    assert not ends & clusters


@given(st.text(st.sampled_from("a\u0301\U0001e8d0"), min_size=1000, max_size=1600), bits)
def test_a_message_always_has_room_for_its_parts(text, width):
    assert measure(text, width).parts == len(split(text, width)) <= MOST_PARTS


def octets(part):
    """What a part takes on the air, its header among it."""
    header = part.short_message[0] + 1 if part.esm_class & 0x40 else 0
    body = len(part.short_message) - header
    if part.data_coding == 8:
        return header + body
    # Septets begin at a septet's border behind the header (TS 23.040 §9.2.3.24).
    return -(-(-(-header * 8 // 7) + body) * 7 // 8)


languages = st.lists(st.sampled_from(sorted(LANGUAGES.values())), unique=True).map(tuple)


@given(st.one_of(texts, turkish), bits, languages)
def test_what_is_submitted_is_what_was_measured_and_fits(text, width, known):
    dialect = Dialect(reference_bits=width, national_languages=known)
    parts = encode_parts(text, dialect, 7)
    assert measured(text, dialect).parts == len(parts) <= measure(text, width).parts
    for part in parts:
        assert octets(part) <= 140
        if part.data_coding == 0 and part.short_message:
            assert part.short_message[-1] != gsm0338.ESCAPE
        if part.esm_class and len(parts) > 1:
            assert udh.read(part.short_message).concat.bits == width


@given(turkish, bits, languages)
def test_what_goes_out_by_national_tables_reads_back(text, width, known):
    dialect = Dialect(reference_bits=width, national_languages=known)
    parts = encode_parts(text, dialect, 7)
    read = [inbound.parse(p.esm_class, p.data_coding, p.short_message, "", 0, "", 0, (), dialect) for p in parts]
    assert inbound.join(read)[0] == text


@given(st.text(st.sampled_from(GSM7 + "".join(TABLE) + "éж"), max_size=200))
def test_transliterated_is_gsm7_and_stays_as_it_is(text):
    plain = gsm7_form(text)
    if plain is None:
        assert not text.translate(str.maketrans(TABLE)) or "ж" in text
    else:
        assert measure(plain).encoding is Encoding.GSM7
        assert gsm7_form(plain) == plain


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
