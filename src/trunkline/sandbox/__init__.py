"""What stands around the platform in a sandbox: a simulated SMSC with its handsets, and a receiver for webhooks."""
