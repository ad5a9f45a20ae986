"""Why does a device compute other bytes?  Which operator is wrong on its own inputs, and why."""
