//! The program: the library's application, with the command line that every application has.
//! Without an argument it runs, with the `sysmon.yaml` beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sysmon::application().main()
}
