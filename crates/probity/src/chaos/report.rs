//! What is told of scorecards, and how: a file for each reader.

pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
