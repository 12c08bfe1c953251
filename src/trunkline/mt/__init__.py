"""Outbound messages: accept, dispatch, route, submit, outcome; in the order of the trip."""
