"""What has to be done now and then: ended leases, overdue messages, partitions, what a crash left half looked at.

No leader: each task is a bounded transaction under an advisory lock, so any process may run it.
"""
