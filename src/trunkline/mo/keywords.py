"""What a message from a handset asks for by its words: STOP and its family in several languages, START, HELP.

A STOP that is missed breaks the law; "cancel my order" that ends a customer's messages is a loss. So a word that only
ever means STOP counts as the first of at most three words, and one that is an ordinary word too counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from trunkline.domain.consent import Does, words_of


class Word(NamedTuple):
    """A word, or two, of a family."""

    does: Does
    language: str
    alone: bool  # counts only as the whole message


_MOST_WORDS = 3

# Language → (words that open a message of up to three, words that are the whole message).
_STOPS: Mapping[str, tuple[str, str]] = {
    "en": ("stop, stopall, stop all, unsubscribe, unsub, optout, opt out", "end, quit, cancel, revoke"),
    "fr": ("arret, arreter, desabonner, desinscription, desabonnement, stopsms", "fin, annuler, resilier"),
    "es": ("desuscribir, desuscribirme, dar de baja", "baja, alto, parar, pare, cancelar, detener, salir"),
    "pt": ("descadastrar, desinscrever", "sair, remover, cancele"),
    "de": ("stopp, abmelden, abbestellen, austragen", "ende, abbrechen, kündigen"),
    "it": ("disiscrivimi, disiscriviti, disiscrivere", "basta, ferma, annulla"),
    "nl": ("afmelden, uitschrijven", "stoppen, einde"),
}
_STARTS: Mapping[str, str] = {
    "en": "start, unstop, subscribe",
    "fr": "reprendre, abonner",
    "es": "alta, iniciar",
    "pt": "inscrever, retomar",
    "de": "anmelden, starten",
    "it": "iscrivimi, iscriviti",
    "nl": "aanmelden",
}
_HELPS: Mapping[str, str] = {
    "en": "help, info",
    "fr": "aide",
    "es": "ayuda",
    "pt": "ajuda",
    "de": "hilfe",
    "it": "aiuto",
    "nl": "hulp",
}

# What is answered where a plan has no text of its own: one part each.
_TEXTS: Mapping[str, tuple[str, str, str]] = {
    "en": (
        "You are unsubscribed and will get no more messages from this sender. Reply START to subscribe again.",
        "You are subscribed to messages from this sender again. Reply STOP to get no more.",
        "Reply STOP to get no more messages from this sender, START to subscribe again.",
    ),
    "fr": (
        "Désabonnement confirmé : vous ne recevrez plus de messages de cet expéditeur. Répondez START pour les recevoir"
        " à nouveau.",
        "Abonnement confirmé. Répondez STOP pour ne plus recevoir de messages de cet expéditeur.",
        "Répondez STOP pour ne plus recevoir de messages de cet expéditeur, START pour les recevoir à nouveau.",
    ),
    "es": (
        "Baja confirmada: ya no va a recibir mensajes de este remitente. Responda START para volver a recibirlos.",
        "Alta confirmada. Responda STOP para dejar de recibir mensajes de este remitente.",
        "Responda STOP para dejar de recibir mensajes de este remitente, START para volver a recibirlos.",
    ),
    "pt": (
        "Cancelamento confirmado: este remetente deixa de lhe enviar mensagens. Responda START para voltar a receber.",
        "Volta a receber mensagens deste remetente. Responda STOP para deixar de receber.",
        "Responda STOP para deixar de receber mensagens deste remetente, START para voltar a receber.",
    ),
    "de": (
        "Abmeldung bestätigt: Sie erhalten keine Nachrichten mehr von diesem Absender. Antworten Sie START, um sie"
        " wieder zu erhalten.",
        "Sie erhalten wieder Nachrichten von diesem Absender. Antworten Sie STOP, um keine mehr zu erhalten.",
        "Antworten Sie STOP, um keine Nachrichten mehr von diesem Absender zu erhalten, START, um sie wieder zu"
        " erhalten.",
    ),
    "it": (
        "Disiscrizione confermata: non riceverà più messaggi da questo mittente. Risponda START per riceverli di"
        " nuovo.",
        "Riceverà di nuovo messaggi da questo mittente. Risponda STOP per non riceverne più.",
        "Risponda STOP per non ricevere più messaggi da questo mittente, START per riceverli di nuovo.",
    ),
    "nl": (
        "U bent afgemeld en krijgt geen berichten meer van deze afzender. Antwoord START om ze weer te krijgen.",
        "U krijgt weer berichten van deze afzender. Antwoord STOP om ze niet meer te krijgen.",
        "Antwoord STOP om geen berichten meer van deze afzender te krijgen, START om ze weer te krijgen.",
    ),
}
_ORDER = (Does.STOP, Does.START, Does.HELP)


def _families() -> dict[tuple[str, ...], Word]:
    found: dict[tuple[str, ...], Word] = {}
    for language, (opening, alone) in _STOPS.items():
        for words, is_alone in ((opening, False), (alone, True)):
            for phrase in words.split(", "):
                found.setdefault(tuple(words_of(phrase)), Word(Does.STOP, language, is_alone))
    for does, words_of_language in ((Does.START, _STARTS), (Does.HELP, _HELPS)):
        for language, words in words_of_language.items():
            for phrase in words.split(", "):
                found.setdefault(tuple(words_of(phrase)), Word(does, language, True))
    return found


_FAMILIES = _families()
_LONGEST = max(map(len, _FAMILIES))


def family(words: list[str]) -> Word | None:
    """The word of a family that a message of these words is, or begins with where that is enough."""
    for length in range(min(_LONGEST, len(words)), 0, -1):
        word = _FAMILIES.get(tuple(words[:length]))
        if word is not None and (len(words) == length if word.alone else within(words, length)):
            return word
    return None


def within(words: list[str], length: int = 1) -> bool:
    """Whether words that begin with one of so many are few enough to mean it: it counts as one."""
    return len(words) - length < _MOST_WORDS


def default_text(does: Does, language: str) -> str:
    """What is answered to a word of the families, in its language."""
    return _TEXTS[language][_ORDER.index(does)] if does in _ORDER else ""
