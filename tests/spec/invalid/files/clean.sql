select base, amount from input
