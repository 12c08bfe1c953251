"""`trunkline numbers` on a real database."""

from __future__ import annotations

import json

from test_provisioning_commands import Operator, operator

__all__ = ["operator"]


def test_import_show_export(operator: Operator) -> None:
    file = operator.file.with_name("ranges.csv")
    file.write_text(
        "first,last,mccmnc,valid_from,source\n"
        "4479,4479,23410,,\n447911,447912,23415,,Ofcom\n447911,447912,23420,2999-01-01,plan\n"
        "1555,1555,99998,,\n15550001,15550001,310260,,\n"
    )
    assert operator.call("numbers", "import", str(file)) == (0, "5 ranges imported\n", "")
    code, out, _ = operator.call("numbers", "show", "+447912123456")
    assert code == 0
    assert out == (
        "+447912123456\ncountry  GB\nnetwork  23415  Vodafone UK (GB)\n\nranges, the narrowest first\n"
        '  447911-447912  23420  from "plan", not before 2999-01-01T00:00:00+00:00\n'
        '  447911-447912  23415  from "Ofcom"\n'
        '  4479  23410  from "ranges.csv"\n'
    )
    code, out, _ = operator.call("numbers", "show", "+31612345678", "--json")
    assert json.loads(out) == {
        "number": "+31612345678", "country": "NL", "mccmnc": None, "network": None, "network_countries": [],
        "ranges": [],
    }  # fmt: skip
    assert "network  99998  a network that is not in the list\n" in operator.call("numbers", "show", "+15550002222")[1]
    assert "not known: no range has this number" in operator.call("numbers", "show", "+31612345678")[1]
    assert "network  not known: what begins with these" in operator.call("numbers", "show", "+1555000")[1]
    code, out, _ = operator.call("numbers", "export")
    assert code == 0
    assert out == (
        "first,last,mccmnc,valid_from,source\n1555,1555,99998,,ranges.csv\n"
        "15550001,15550001,310260,,ranges.csv\n4479,4479,23410,,ranges.csv\n"
        "447911,447912,23415,,Ofcom\n447911,447912,23420,2999-01-01T00:00:00.000000Z,plan\n"
    )
    file.write_text(out)
    assert operator.call("numbers", "import", str(file))[0] == 0
    assert operator.call("numbers", "export")[1] == out


def test_a_file_with_mistakes(operator: Operator) -> None:
    file = operator.file.with_name("ranges.csv")
    file.write_text("prefix,mccmnc\n4479,23410\n0,23410\n44,2\n")
    lines = "ranges.csv:3: prefix must be 1 to 15 digits of E.164, with the country code and no 0 before it\n" \
            "ranges.csv:4: mccmnc must be 5 or 6 digits: mcc 3, mnc 2 or 3\n"  # fmt: skip
    assert operator.call("numbers", "import", str(file)) == (65, "", f"{lines}trunkline: nothing was changed\n")
    assert operator.call("numbers", "export")[1].count("\n") == 1
    code, out, err = operator.call("numbers", "import", str(file), "--skip-bad")
    assert (code, out, err) == (0, "1 ranges imported, 2 lines left out\n", lines)
    file.write_bytes(b"prefix,mccmnc\n44\xff,23410\n")
    code, _, err = operator.call("numbers", "import", str(file))
    assert code == 65
    assert "is not UTF-8" in err
    assert operator.call("numbers", "export")[1].count("\n") == 2
    file.unlink()
    code, _, err = operator.call("numbers", "import", str(file))
    assert code == 74
    assert "ranges.csv" in err


def test_what_is_no_number_is_not_looked_up(operator: Operator) -> None:
    for number in ("447911123456", "+0447911", "x", "+44"):
        code, _, err = operator.call("numbers", "show", number)
        assert code == 2
        assert "write the number as +447911123456" in err
