"""What operators set up: accounts, plans, senders, carriers, routes and tokens, from a file or one by one."""
