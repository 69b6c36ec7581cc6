"""What is learnt: data sets, and problems that draw arrays of tuples from a seed."""
