"""The command line `ode-sgd`: one file a group of commands."""
