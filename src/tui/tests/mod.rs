//! Whole screens from key sequences on fixed data.

mod alerts;
mod buckets;
mod charts;
mod crawlers;
mod cuts;
mod deploy;
mod fixture;
mod jobs;
mod jumps;
mod link;
mod logs;
mod manners;
mod more;
mod overview;
mod paging;
mod queries;
mod queues;
mod releases;
mod shell;
mod tables;

use super::testing;
use fixture::console;

/// Snapshots of a screen at the two sizes that every pane is looked at in.
macro_rules! screens {
    ($console:expr) => {
        insta::assert_snapshot!($console.screen(80, 24));
        insta::assert_snapshot!($console.screen(160, 50));
    };
}
pub(crate) use screens;
