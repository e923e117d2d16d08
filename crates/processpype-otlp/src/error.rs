//! Why nothing can be exported.

use std::error::Error;
use std::fmt;

/// Why there is no exporter.
#[derive(Debug)]
#[non_exhaustive]
pub enum OtlpError {
    /// The collector's address cannot be one.
    Endpoint(&'static str),
    /// A header cannot be sent.
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There are more than [`HEADERS_MAX`](crate::HEADERS_MAX) headers.
    TooManyHeaders,
    /// The system gives no thread for it.
    NoThread,
    /// OpenTelemetry's own exporter could not be made.
    Exporter(Box<dyn Error + Send + Sync>),
}

// === impl OtlpError ===

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(why) => write!(f, "the address of the collector cannot be used: {why}"),
            Self::Header { name, why } => write!(f, "the header `{name}` cannot be sent: {why}"),
            Self::TooManyHeaders => {
                write!(f, "there are more than {} headers", crate::HEADERS_MAX)
            }
            Self::NoThread => f.write_str("the system gives no thread that sends"),
            Self::Exporter(error) => write!(f, "no exporter: {error}"),
        }
    }
}

impl Error for OtlpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Exporter(error) => Some(&**error),
            Self::Endpoint(_) | Self::Header { .. } | Self::TooManyHeaders | Self::NoThread => None,
        }
    }
}
