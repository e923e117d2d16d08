//! How endpoints answer when all is well.

/// How an endpoint answers when all is well.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// When.
    pub description: &'static str,
    /// The media type of the body; empty = whatever the service sends.
    pub media: &'static str,
    /// The name of the body's schema among the document's components, if it is JSON of a known
    /// shape. Otherwise JSON is an object, and all else is text.
    pub schema: Option<&'static str>,
}
