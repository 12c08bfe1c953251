"""Form and country of numbers: the corpus, and the library that the table was made from."""

import json
import random
import runpy
import zlib
from base64 import b85decode
from pathlib import Path

import phonenumbers
import pytest
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

from trunkline.numbering import e164, plan
from trunkline.numbering.e164 import country_of, well_formed

ROOT = Path(__file__).parents[3]
ROWS = json.loads((ROOT / "tests/corpus/phone.json").read_text(encoding="utf-8"))["rows"]
SHARED = [code for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if len(regions) > 1]


def library_country(number):
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    region = region or phonenumbers.region_code_for_country_code(parsed.country_code)
    return None if region in ("001", "ZZ") else region


def digits(chance, low, high):
    return "".join(chance.choices("0123456789", k=chance.randint(low, high)))


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_corpus(row):
    assert well_formed(row["input"]) is row["format_ok"], row["why"]
    assert country_of(row["input"]) in row.get("country_any_of", [row["country"]]), row["why"]


def test_digits_of_other_scripts_are_none_at_any_place():
    assert not well_formed("+1555٠٠٠2222")
    assert country_of("+1555٠٠٠2222") is None


def test_example_numbers_and_their_neighbours_are_the_librarys():
    chance = random.Random(20)
    wrong = {}
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            for written in (number, number[:-1], number + "0", number[:-3] + digits(chance, 3, 3)):
                if well_formed(written) and country_of(written) != library_country(written):
                    wrong[written] = (country_of(written), library_country(written))
    assert wrong == {}


@pytest.mark.parametrize("code", SHARED)
def test_shared_codes_are_the_librarys(code):
    """Numbers at random, and with what the library drops in front: the trunk prefixes 0, 1, 8, 180020, 183x."""
    chance = random.Random(code)
    wrong = {}
    for _ in range(700):
        prefix = chance.choice(["", "", "", "0", "1", "8", "180020", "1831"])
        number = f"+{code}{prefix}{digits(chance, 3, 12)}"
        if well_formed(number) and country_of(number) != library_country(number):
            wrong[number] = (country_of(number), library_country(number))
    assert wrong == {}


def test_walks_through_the_graph_are_the_librarys():
    """Digits chosen so that the answer stays open as long as it can: the rare branches, which chance never meets."""
    chance = random.Random(11)
    rows, answers = e164._ROWS, e164._ANSWERS
    wrong = {}
    for _ in range(5000):
        row, number = -48, "+"
        while len(number) < 16:
            first = "123456789" if number == "+" else "0123456789"
            open_digits = [d for d in first if rows[row + ord(d)] > -answers]
            digit = chance.choice(open_digits or list(first))
            number += digit
            row = rows[row + ord(digit)]
            if row <= -answers or chance.random() < 0.02:
                break
        number += digits(chance, max(0, 8 - len(number)), max(0, 8 - len(number)))
        if well_formed(number) and country_of(number) != library_country(number):
            wrong[number] = (country_of(number), library_country(number))
    assert wrong == {}


def test_table_is_current():
    """Made from the installed metadata; if not: python scripts/compile_numbering.py."""
    script = runpy.run_path(str(ROOT / "scripts/compile_numbering.py"))
    regions, rows = script["compiled"]()
    assert phonenumbers.__version__ == plan.VERSION
    assert regions == plan.REGIONS
    assert rows == zlib.decompress(b85decode(plan.ROWS))
