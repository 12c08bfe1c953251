"""The public HTTP interface and nothing else: requests in, problems and records out."""
