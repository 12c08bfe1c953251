"""What the `err` of receipts means: the network's own by the specification, so it is read only under a profile."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# err, as a decimal without leading zeros -> delivery code.
ERR_PROFILES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # The MAP errors of GSM (3GPP TS 29.002) and of SM delivery.
        "gsm_map": MappingProxyType(
            {
                **dict.fromkeys(("1", "5"), "103"),
                **dict.fromkeys(("6", "27"), "101"),
                "8": "109",
                **dict.fromkeys(("9", "12"), "108"),
                **dict.fromkeys(("11", "21", "22", "42"), "106"),
                **dict.fromkeys(("13", "15"), "105"),
                "31": "107",
                **dict.fromkeys(("32", "41"), "110"),
                "34": "302",
                **dict.fromkeys(("35", "36"), "301"),
                "40": "102",
                "51": "303",
            }
        ),
        "twilio_like": MappingProxyType(
            {
                "1": "101",
                "2": "102",
                "3": "110",
                **dict.fromkeys(("4", "7", "10"), "106"),
                "5": "103",
                **dict.fromkeys(("6", "8"), "108"),
                "9": "105",
                "11": "107",
                "12": "302",
            }
        ),
    }
)
