"""What is learnt: data sets, parity of digits, clusters. Seeds in, arrays out."""
