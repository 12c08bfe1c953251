"""Words that stop, start and help: what counts, what is only talk, and that each answer is one part."""

from __future__ import annotations

import pytest

from trunkline.domain.consent import Does, words_of
from trunkline.mo.keywords import _HELPS, _STARTS, _STOPS, default_text, family
from trunkline.text.segment import Encoding, measure

STOP, START, HELP = Does.STOP, Does.START, Does.HELP


def does(text: str) -> Does | None:
    word = family(words_of(text))
    return None if word is None else word.does


@pytest.mark.parametrize(
    "text",
    [
        *("STOP", "stop.", " Stop please", "ARRET", "OPTOUT", "Opt out", "STOPALL", "UNSUBSCRIBE", "END", "QUIT"),
        *("REVOKE", "OPT-OUT", "CANCEL", "Stop!!!", '"stop"', "stop, thank you", "Arrêt", "ＳＴＯＰ", "STOP\u200b"),
        *("stop 🛑 🛑 🛑", "Stop stop STOP stop", "opt-out please", "stop all", "cancel.", "(quit)", "\ufffdSTOP\n"),
        *("Désabonner", "de\u0301sabonner", "BAJA", "dar de baja", "SAIR", "Kündigen", "STOPP bitte", "afmelden"),
    ],
)
def test_stops(text: str) -> None:
    assert does(text) is STOP


@pytest.mark.parametrize(
    "text",
    [
        *("cancel my order", "end of story", "quit it", "revoke access now", "alto y claro", "please stop"),
        *("don't stop", "stop sending me these", "the bus stop is closed", "nonstop", "stopover", "YES", "s t o p"),
        *("the end", "opt out of all of this", "start again", "help me", "info please", "", " ", "🛑"),
    ],
)
def test_is_only_talk(text: str) -> None:
    """A word that is an ordinary one too counts alone; the others as the first of three."""
    assert does(text) is None


@pytest.mark.parametrize(
    ("text", "wanted"), [("START", START), ("unstop!", START), ("Alta", START), ("HELP", HELP), ("aide ?", HELP)]
)
def test_starts_and_helps(text: str, wanted: Does) -> None:
    assert does(text) is wanted


def test_no_word_is_in_two_families() -> None:
    stops = {tuple(words_of(one)) for pair in _STOPS.values() for words in pair for one in words.split(", ")}
    starts, helps = (
        {tuple(words_of(one)) for words in table.values() for one in words.split(", ")} for table in (_STARTS, _HELPS)
    )
    assert not stops & starts
    assert not stops & helps
    assert not starts & helps


@pytest.mark.parametrize("language", _STOPS)
def test_answers_are_one_part_each_and_say_how_to_go_back(language: str) -> None:
    for what in (STOP, START, HELP):
        text = default_text(what, language)
        assert measure(text)[0::2] == (Encoding.GSM7, 1)
        assert ("START" if what is STOP else "STOP") in text
        assert family(words_of(text)) is None  # two machines would talk for ever
    assert default_text(Does.REPLY, language) == ""
