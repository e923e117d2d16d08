//! Who asks for something, and why: what goes with every command.
//!
//! # Invariants
//!
//! 1. Who asks is from a credential, or from code; never from what was asked.
//! 2. Two requests are the same under one key if all of them is the same.

use std::sync::Arc;

use processpype_core::Generation;

/// Who asks for something, and why.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Request;
///
/// let request = Request::by("ops:alice").because("rotating the certificate");
/// assert_eq!(request.reason.as_deref(), Some("rotating the certificate"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Who; from the credential, never from the request's body.
    pub actor: Arc<str>,
    /// Why, if they say so.
    pub reason: Option<Arc<str>>,
    /// Only if the service's generation is one of these; `None` = whatever it is.
    pub expects: Option<Vec<Generation>>,
    /// Names the request, so that it can be repeated without being carried out twice.
    pub key: Option<Arc<str>>,
    /// Stands for what is asked beyond the words of a command, such as the body of a registration:
    /// under one key, requests with different digests are different requests.
    pub digest: Option<u64>,
}

// === impl Request ===

impl Request {
    /// Makes a request of `actor`, without a reason.
    ///
    /// It is shown in statuses and events. The control plane says `token:NAME`,
    /// `certificate:NAME`, `user:UID` or `anonymous`, a signal is `signal:SIGHUP`, and what the
    /// program itself does without a name is `code`.
    #[must_use]
    pub fn by(actor: &str) -> Self {
        Self { actor: actor.into(), reason: None, expects: None, key: None, digest: None }
    }

    /// Adds the reason.
    ///
    /// For whoever reads the journal at three in the morning.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Asks only if the service is in one of these generations when the supervisor looks.
    ///
    /// So nothing is done to a generation that the one who asks has not seen: otherwise the answer
    /// is [`Stale`]. Checked and accepted in one step, so nothing comes in between.
    ///
    /// [`Stale`]: crate::CommandError::Stale
    #[must_use]
    pub fn expecting(mut self, generations: impl IntoIterator<Item = Generation>) -> Self {
        self.expects = Some(generations.into_iter().collect());
        self
    }

    /// Names the request: the same request of the same actor under the same key is the same
    /// operation, however often it is sent, for 24 h or until the operation is forgotten.
    ///
    /// Another request under that key is refused with [`KeyReused`].
    ///
    /// [`KeyReused`]: crate::CommandError::KeyReused
    #[must_use]
    pub fn keyed(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds what stands for the rest of what is asked, such as a hash of it.
    ///
    /// Only what is asked under a [key](Self::keyed) is compared by it.
    #[must_use]
    pub fn digested(mut self, digest: u64) -> Self {
        self.digest = Some(digest);
        self
    }
}
