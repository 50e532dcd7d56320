//! Settings: flag > environment > config file > default; each value knows where it came from.
