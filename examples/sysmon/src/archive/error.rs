//! What can go wrong with the file of samples, and what to do about it.
//! Every text names the file; those that a person can remedy say how. The cause is the source.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// Why the archive cannot do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The data directory cannot be made.
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else has the file open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, or never was a database.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: Box<redb::Error>,
    },
    /// The file was written by another version of this program.
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file; 0 if it tells none.
        found: u64,
        /// The format of this program.
        supported: u64,
    },
    /// The archive was closed.
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened, read or written.
    Failed {
        /// The file.
        path: PathBuf,
        /// What was tried, as in `append a sample`.
        doing: &'static str,
        /// What the database said.
        source: Box<redb::Error>,
    },
}

// === impl ArchiveError ===

impl ArchiveError {
    pub(super) fn opening(path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_path_buf();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            source if is_damage(&source) => Self::Damaged { path, source: Box::new(source) },
            source => Self::Failed { path, doing: "open the database", source: Box::new(source) },
        }
    }
}

fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } => true,
        redb::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, .. } => write!(
                f,
                "cannot make the directory {}; set `data_dir` to one that can be written",
                path.display()
            ),
            Self::InUse { path } => write!(
                f,
                "{} is in use by another process; stop it, or set another `data_dir`",
                path.display()
            ),
            Self::Damaged { path, .. } => write!(
                f,
                "{} is damaged or not a database; \
                 move it away to begin anew, or set another `data_dir`",
                path.display()
            ),
            Self::Format { path, found, supported } => write!(
                f,
                "{} has format {found}, this program writes {supported}; \
                 use the program that wrote it, or set another `data_dir`",
                path.display()
            ),
            Self::Closed { path } => {
                write!(f, "{} is closed; ask again once `store` runs", path.display())
            }
            Self::Failed { path, doing, .. } => {
                write!(f, "cannot {doing} in {}", path.display())
            }
        }
    }
}

impl error::Error for ArchiveError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Directory { source, .. } => Some(source),
            Self::Damaged { source, .. } | Self::Failed { source, .. } => Some(&**source),
            Self::InUse { .. } | Self::Format { .. } | Self::Closed { .. } => None,
        }
    }
}
