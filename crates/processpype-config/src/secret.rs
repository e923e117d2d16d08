//! A value that cannot be printed or serialised.
//!
//! # Invariants
//!
//! 1. [`Secret`] has no `Display` and no `Serialize`; its `Debug` is always `Secret(***)`.
//! 2. Its schema says `x-secret`, so no report and no effective configuration shows the value.
//! 3. An error from deserializing the inner value does not carry the value.
//!
//! # What it guards against, and what not
//!
//! It guards against accidents: a `{:?}` of the configuration, a serialised status, an error that
//! quotes what it could not parse, a listing of effective values. The type makes the schema say so,
//! and everything in this crate that shows values asks the schema.
//!
//! It does not guard against somebody who reads the memory of the process: the text is not wiped
//! when it is dropped, since parsers, the environment and the file itself hold copies which nobody
//! can wipe.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::Error as _};

/// The schema keyword that marks a secret.
pub(crate) const X_SECRET: &str = "x-secret";

/// A value that is never shown: a password, a token, a key.
///
/// # Example
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::Secret;
///
/// let password = Secret::from("hunter2".to_owned());
/// assert_eq!(format!("{password:?}"), "Secret(***)");
/// assert_eq!(password.expose(), "hunter2");
/// ```
///
/// It cannot be printed by accident:
///
/// ```compile_fail
/// # mod processpype { pub use processpype_config as config; }
/// let password = processpype::config::Secret::from("hunter2".to_owned());
/// println!("{password}");
/// ```
///
/// Nor serialised:
///
/// ```compile_fail
/// # mod processpype { pub use processpype_config as config; }
/// fn serialize<T: serde::Serialize>(_: T) {}
/// serialize(processpype::config::Secret::from("hunter2".to_owned()));
/// ```
///
/// # In a configuration type
///
/// `Secret<String>` for a text, `Secret<T>` for anything else that can be read. The value is
/// written in the file, or better asked for with `${secret://backend:key}` or `${VAR}`.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Loader, Secret};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize, JsonSchema)]
/// struct Db { password: Secret<String> }
///
/// let document = Loader::new().text("app.yaml", Format::Yaml, "db: {password: hunter2}").load()?;
/// let mut secrets = Vec::new();
/// let db: Db = document.section(&["db"]).read_collecting(&mut secrets)?;
/// assert_eq!(format!("{db:?}"), "Db { password: Secret(***) }");
/// assert_eq!(secrets, ["hunter2"], "for the log's redaction");
/// # Ok::<(), processpype_config::Report>(())
/// ```
///
/// There is no `Deref`: every place where the value comes out says [`expose`](Self::expose), and
/// can be found by searching for it.
#[derive(Clone, Default)]
pub struct Secret<T>(T);

// === impl Secret ===

impl<T> Secret<T> {
    /// Wraps a value.
    ///
    /// From here on it cannot be printed; `Secret::from` does the same.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value; from here on the caller keeps it secret.
    ///
    /// Do this where the value is used, as late as possible, and keep the `Secret` around it until
    /// then.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Takes the value out; from here on the caller keeps it secret.
    ///
    /// For an interface that wants to own it.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Compares in a time that depends on the lengths alone, not on where the first difference is.
///
/// So it is fit for comparing a token that a client sent. Secrets that are no texts cannot be
/// compared.
impl<T: AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_ref(), other.0.as_ref());
        let differing =
            a.iter().zip(b).fold(0, |seen, (x, y)| std::hint::black_box(seen | (x ^ y)));
        a.len() == b.len() && differing == 0
    }
}

impl<T: AsRef<[u8]>> Eq for Secret<T> {}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The inner error may quote the value; it is dropped on purpose.
        T::deserialize(deserializer).map(Self).map_err(|_| D::Error::custom("invalid secret value"))
    }
}

impl<T: JsonSchema> JsonSchema for Secret<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Secret_{}", T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("processpype_config::Secret<{}>", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert("format".to_owned(), "password".into());
        schema.insert("writeOnly".to_owned(), true.into());
        schema.insert(X_SECRET.to_owned(), true.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_and_errors_do_not_show_it() {
        assert_eq!(format!("{:?}", Some(Secret::from(7))), "Some(Secret(***))");
        let error = serde_json::from_str::<Secret<u8>>("\"hunter2\"").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn equality_sees_content_and_length() {
        assert_eq!(Secret::from("abc"), Secret::from("abc"));
        assert_ne!(Secret::from("abc"), Secret::from("abd"));
        assert_ne!(Secret::from("abc"), Secret::from("ab"));
    }

    #[test]
    fn schema_says_secret() {
        let schema = schemars::schema_for!(Secret<String>);
        assert_eq!(schema.get("x-secret"), Some(&serde_json::Value::Bool(true)));
        assert_eq!(schema.get("type"), Some(&serde_json::Value::from("string")));
    }
}
