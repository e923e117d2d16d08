//! The one integration binary of this crate.

mod bounds;
mod canary;
mod corpus;
mod good;
mod properties;
mod types;
