//! The driver: fires schedules, delivers streams, invokes what waits.
