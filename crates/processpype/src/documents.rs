//! The examples in the documents of the house, compiled and run as doc tests.

#[doc = include_str!("../../../README.md")]
struct Readme;

#[doc = include_str!("../../../docs/services.md")]
struct Services;

#[doc = include_str!("../../../docs/from-python.md")]
struct FromPython;
