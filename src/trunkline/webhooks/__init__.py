"""Events out to customers: who gets them, what is due, the HTTP client that posts them, and their signatures."""
