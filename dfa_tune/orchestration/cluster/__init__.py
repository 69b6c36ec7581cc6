"""Starting or joining Ray, and watching over a cluster's machines."""
