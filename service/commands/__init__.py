"""What each command of ``samestory`` does; ``service.cli`` says how it is called.

A command takes typed arguments, writes to a `service.console.Console` and returns its exit code.
Each stands in a module of its own, imported when it is called, so that ``samestory --help`` does
not wait for what it does not need.
"""
