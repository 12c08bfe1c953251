"""Which characters a reader sees as one: extended grapheme clusters (Unicode Standard Annex #29), around a cut."""

from __future__ import annotations

import regex

# What joins its neighbour: between two characters of which neither is one of these, clusters always part.
_MAY_JOIN = regex.compile(
    r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=L}\p{GCB=V}\p{GCB=T}\p{GCB=RI}\r\n]"
).search
_CLUSTERS = regex.compile(r"\X").finditer


def divided(text: str, start: int, cut: int) -> tuple[int, int] | None:
    """Start and end of the cluster that a cut before `text[cut]` would divide; None where it divides none.

    `start` is any place before the cut at which a cluster begins.
    """
    if _MAY_JOIN(text, cut - 1, cut + 1) is None:  # nearly every cut: the clusters before it need not be walked
        return None
    for cluster in _CLUSTERS(text, start):
        if cluster.end() >= cut:
            return None if cluster.end() == cut else cluster.span()
    return None
