"""Inbound messages: taken from a carrier, given to the plan whose number they were sent to."""
