"""Study files, and running them on this machine."""
