//! What becomes of the work of processes that died.

/// The status of an operation or a run whose process died.
pub(crate) const INTERRUPTED: &str = "INTERRUPTED";
