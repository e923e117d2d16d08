//! Everything that is tested through the public surface, in one binary.

mod process;
