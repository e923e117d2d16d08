//! What to do about each problem, in a sentence.

use super::Code;

// === impl Code ===

impl Code {
    /// Returns what to do about it, for the documentation page.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::MalformedRequest => {
                "Send exactly one `Host` header and a path that begins with `/`."
            }
            Self::Unauthenticated => "Send `Authorization: Bearer` and a token that is right.",
            Self::CrossOrigin => {
                "The API answers no other site's pages. Call it from its own origin."
            }
            Self::Forbidden => "Use a token of the role that `detail` names.",
            Self::KindNotCreatable => {
                "Call `.creatable()` after the kind, or list it in `server.creatable_kinds`."
            }
            Self::ShutdownDisabled => {
                "Set `server.shutdown_endpoint: true`, or send SIGTERM to the process."
            }
            Self::UnknownService => "`GET /services` lists the names.",
            Self::UnknownOperation => {
                "`GET /operations` lists them; ids begin anew with the process."
            }
            Self::OperationForgotten => "The events may still tell about it.",
            Self::UnknownPath => "This page lists the paths. A path ends without a slash.",
            Self::MethodNotAllowed => "The `Allow` header lists the methods.",
            Self::RequestTimeout => "Send the body at once.",
            Self::Disabled => {
                "Set `enabled: true` in the service's section and reload, or configure it so."
            }
            Self::Superseded => "Look at the status: somebody gave a later command, or it closes.",
            Self::Cancelled => "`GET /operations/{id}` says who cancelled it.",
            Self::NotCancellable => "A stop is undone by a start; what has ended stays as it is.",
            Self::StalePrecondition => {
                "Read the status again; its `ETag` is the generation to send."
            }
            Self::NameTaken => "Choose another name, or deregister that service first.",
            Self::StillNeeded => "Deregister those that `detail` names, or pass `cascade=true`.",
            Self::TooManyServices => "Deregister some, or put them in the file and restart.",
            Self::ProviderStopped => "Start the provider, or pass `with_dependencies=true`.",
            Self::Orphaned => {
                "The log names what did not end. Restart the process, or pass `force=true`."
            }
            Self::BodyTooLarge => "Send a smaller body.",
            Self::UriTooLong => "Send a shorter path and query.",
            Self::HeadTooLarge => "Send fewer or shorter headers.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            Self::UnknownHost => "Use an IP address or `localhost`, or configure the host name.",
            Self::RolledBack => {
                "`detail` has the public reason; mend the configuration and send it again."
            }
            Self::NotConfigurable => "Change the files and restart the process.",
            Self::InvalidConfig => "`errors` says where, what is valid, and what is near.",
            Self::MalformedBody => "Send one JSON text.",
            Self::InvalidBody | Self::InvalidQuery => "`errors` says where and what is valid.",
            Self::UnfitService => "`errors` says what is missing, and the line to write.",
            Self::IdempotencyConflict => "Choose a new key for a new request.",
            Self::TooManyRequests => "Try again after `Retry-After`, and more rarely.",
            Self::Internal => "This is a bug in Processpype; the log has the details.",
            Self::HandlerPanicked => "The service goes on; the log has the panic.",
            Self::LogsUnavailable => "Look at the log of the program that the application is in.",
            Self::StartFailed => "`detail` has the public reason; the log has the rest.",
            Self::StopFailed => "`detail` has the public reason; nothing of it runs any more.",
            Self::ServiceUnavailable => "Try again after `Retry-After`, or start the service.",
            Self::NotReady | Self::NotStarted => "`unready` lists the services and why.",
            Self::Closing => "Try again once the application runs again.",
            Self::Busy => "Try again after `Retry-After`.",
        }
    }
}
