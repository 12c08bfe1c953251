"""Delivery receipts: received from a carrier, matched to the part that they are about."""
