"""What texts, numbers and receipts cost: microseconds for one call of each function on the message path.

python bench/text.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

from trunkline.carriers import inbound, receipt
from trunkline.carriers.dialect import IdForm, canonical_id
from trunkline.carriers.encode import destination_address, encode_parts, source_address
from trunkline.numbering.e164 import country_of, well_formed
from trunkline.text import gsm0338
from trunkline.text.segment import measure, split

SHORT = "Your code is 482913."
ASCII = "Your verification code is 482913. It expires in 10 minutes, do not share it."
ACCENTS = "Su código no, sino: mañana a las 9 en ¿qué sitio? Señal è".replace("ó", "ò")
EURO = "Total 25 € [paid], thank you for your visit at Example & Sons."
CYRILLIC = "Ваш код подтверждения: 482913. Никому его не сообщайте."
LONG = ASCII * 6
TEXT = b"Hello world, this is the"
USUAL = b"id:0123456789 sub:001 dlvrd:001 submit date:2503140926 done date:2503140927 stat:DELIVRD err:000 text:" + TEXT
ODD = b"stat:UNDELIV err:021 done date:2503140927 submit date:2503140926 dlvrd:000 sub:001 id:56 text:" + TEXT
TLVS = [(0x001E, b"0123456789\0"), (0x0427, b"\2")]

CALLS: dict[str, Callable[[], object]] = {
    "measure 20 ASCII": lambda: measure(SHORT),
    "measure 76 ASCII": lambda: measure(ASCII),
    "measure 57 accents": lambda: measure(ACCENTS),
    "measure 62 with € [ ]": lambda: measure(EURO),
    "measure 54 Cyrillic": lambda: measure(CYRILLIC),
    "measure 456 ASCII (3 parts)": lambda: measure(LONG),
    "split 456 ASCII": lambda: split(LONG),
    "gsm0338.encode 76 ASCII": lambda: gsm0338.encode(ASCII),
    "gsm0338.decode 76": lambda: gsm0338.decode(ASCII.encode()),
    "encode_parts 76 ASCII": lambda: encode_parts(ASCII),
    "encode_parts 54 Cyrillic": lambda: encode_parts(CYRILLIC),
    "encode_parts 456 ASCII": lambda: encode_parts(LONG),
    "source_address": lambda: source_address("+15550001111"),
    "destination_address": lambda: destination_address("+15550002222"),
    "well_formed": lambda: well_formed("+15550002222"),
    "country_of +1555 (US)": lambda: country_of("+15550002222"),
    "country_of +4915 (DE)": lambda: country_of("+4915123456789"),
    "country_of +1787 (PR)": lambda: country_of("+17872345678"),
    "kind_of": lambda: receipt.kind_of(4, USUAL),
    "receipt, Appendix B": lambda: receipt.parse(4, USUAL),
    "receipt, Appendix B and TLVs": lambda: receipt.parse(4, USUAL, TLVS),
    "receipt, TLVs alone": lambda: receipt.parse(4, b"", TLVS),
    "receipt, other order": lambda: receipt.parse(4, ODD),
    "canonical_id str": lambda: canonical_id("0123456789", IdForm.STR),
    "canonical_id hex": lambda: canonical_id("3a1f9dd7", IdForm.HEX),
    "inbound": lambda: inbound.parse(0, 0, b"Stop please", "15550001111", 1, "24680", 3),
}


def main() -> None:
    for name, call in CALLS.items():
        call()
        print(f"{name:32} {min(timeit.repeat(call, number=5000, repeat=5)) / 5000 * 1e6:7.2f} µs")


if __name__ == "__main__":
    main()
