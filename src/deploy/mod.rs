//! From a pipeline to the graph of resources that its stack is made of.

mod graph;
pub mod names;
mod roles;

pub use graph::{Error, graph};
pub use names::stack as stack_name;
