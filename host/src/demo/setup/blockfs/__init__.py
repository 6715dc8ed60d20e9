"""A file system on a simulated block device."""
