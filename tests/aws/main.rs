//! The AWS adapter against a scripted endpoint: what is asked, and what is made of each answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod account;
mod alerts;
mod audit;
mod buckets;
mod catalog;
mod console;
mod crawlers;
mod credentials;
#[path = "../support/eventstream.rs"]
mod eventstream;
#[path = "../support/fake.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod fake;

mod apis;
mod executable;
mod exports;
mod functions;
mod runs;
mod secrets;
mod streams;
mod tables;
mod terraform;

#[allow(dead_code, reason = "not every test needs all of it")]
mod harness;
mod identity;
mod jobs;
mod logs;
mod network;
mod operations;
mod overview;
mod postgres;
mod queries;
mod queues;
mod read_only;
mod region;
mod releases;
mod s3;
#[path = "../support/term.rs"]
mod term;
mod topics;

#[path = "../support/cloudformation.rs"]
mod cloudformation;
mod stacks;
