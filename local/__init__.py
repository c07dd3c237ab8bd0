"""What runs on one machine without Azure: the embedded host, the simulated service, and the programs that join them.

Nothing of the app imports this package, and none of it is deployed.
"""
