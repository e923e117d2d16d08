//! Constructors that are none: the compiler's answer must be readable.

#[test]
fn compile_fail() {
    // `TRYBUILD=overwrite` writes the golden answers anew.
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
