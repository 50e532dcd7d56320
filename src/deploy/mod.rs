//! From a pipeline to the resource graph of its stack.
