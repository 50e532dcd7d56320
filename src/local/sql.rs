//! SQL on DataFusion.
