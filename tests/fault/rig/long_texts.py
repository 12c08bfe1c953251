"""What the text of a submit_sm says: whose it is, and which part."""

from __future__ import annotations

from trunkline.smpp.pdu import SubmitSm

_UDH = 0x40  # esm_class (SMPP 3.4 §5.2.12)


def named(pdu: SubmitSm) -> tuple[str | None, int, int]:
    """The request's name at the start of the text (the client puts it there), part and parts."""
    text, part_no, parts = pdu.short_message, 1, 1
    if pdu.esm_class & _UDH and text:
        header = text[: text[0] + 1]
        part_no, parts = header[-1], header[-2]
        text = text[len(header) :]
    name = text[:12].split(b" ")[0].decode("ascii", "replace")
    return (name if name.startswith("r") and name[1:].isdigit() else None), part_no, parts


def reference(pdu: SubmitSm) -> str | None:
    """The concatenation reference, in hex."""
    text = pdu.short_message
    return text[3 : text[0] - 1].hex() if pdu.esm_class & _UDH and text else None
