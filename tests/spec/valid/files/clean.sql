select base, cast(amount as double) as amount from input
