//! A file of records that survives the process which writes it.
//!
//! # Invariants
//!
//! 1. Whoever writes and whoever reads the file share this crate, and so its format: the roof
//!    writes the events of an application, the client reads them when the application is dead.
//!
//! # Example
//!
//! ```
//! use processpype_journal::Ledger;
//!
//! let directory = std::env::temp_dir().join(format!("journal-{}", std::process::id()));
//! std::fs::create_dir_all(&directory)?;
//! let path = directory.join("events.jsonl");
//! let (mut ledger, _) = Ledger::open(&path, 1024, 2)?;
//! ledger.append(r#"{"run":1,"cause":"boot"}"#)?;
//! // The process is killed here.
//! drop(ledger);
//!
//! let mut records = Vec::new();
//! let found = Ledger::read(&path, |record| records.push(record.to_owned()))?;
//! assert_eq!(records, [r#"{"run":1,"cause":"boot"}"#]);
//! assert_eq!(found.torn, 0);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod ledger;

pub use ledger::{Found, Ledger, RECORD_MAX};
