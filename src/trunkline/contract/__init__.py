"""The public contract's spellings, and nowhere else: requests, records, problems, as customers write and read them."""
