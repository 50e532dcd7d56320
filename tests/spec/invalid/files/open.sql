select base,
  amount where ((base = ?
