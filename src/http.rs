//! Sources at their real addresses.
