//! Schedules: when they fire next.
