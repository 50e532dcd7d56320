//! Sources: recordings that answer for real addresses.
