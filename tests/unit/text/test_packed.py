"""Septets in octets: known pairs, what is left over, and the way back from anything."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.text.packed import pack, unpack

SEPTETS = st.binary(max_size=160).map(lambda octets: bytes(octet & 0x7F for octet in octets))


def test_known_octets():
    assert pack(b"hellohello").hex() == "e8329bfd4697d9ec37"
    assert unpack(bytes.fromhex("e8329bfd4697d9ec37")) == b"hellohello"
    # Behind a header of six octets one bit is left free, so that text begins with a septet.
    assert pack(b"hi", 6).hex() == "d069"
    assert pack(b"", 6) == b""


def test_seven_bits_left_over_are_no_character():
    """Zeros would be an @."""
    packed = pack(b"1234567")
    assert len(packed) == 7
    assert packed[-1] >> 1 == 0x0D
    assert unpack(packed) == b"1234567"
    assert unpack(pack(b"1234567")[:-1] + bytes([packed[-1] & 1])) == b"1234567"


def test_a_full_part_has_140_octets():
    assert len(pack(b"a" * 160)) == 140
    assert 6 + len(pack(b"a" * 153, 6)) == 140
    assert 7 + len(pack(b"a" * 152, 7)) == 140


@given(SEPTETS, st.integers(0, 12))
def test_what_is_packed_comes_out(septets, header_octets):
    unpacked = unpack(pack(septets, header_octets), header_octets)
    assert unpacked.rstrip(b"\0\r") == septets.rstrip(b"\0\r")


@given(st.binary(max_size=200), st.integers(0, 140))
def test_any_octets_are_taken(octets, header_octets):
    assert all(septet < 0x80 for septet in unpack(octets, header_octets))
