"""What stands here is started by tests, in processes of its own, and is not searched for tests and examples itself.

One of the files needs mpi4py as soon as it is imported, which an environment for the tests alone does not have.
"""

collect_ignore_glob = ["*.py"]
