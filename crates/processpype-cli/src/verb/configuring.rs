//! What the verbs take that change configuration.

use clap::Args;
use processpype_config::HumanDuration;

/// What `configure` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ConfigureArgs {
    /// The service.
    pub name: String,
    /// What to set, such as `step=5` or `restart.policy=never`; a value is JSON, or else text.
    #[arg(value_name = "KEY=VALUE", required_unless_present_any = ["unset", "start"])]
    pub changes: Vec<Assignment>,
    /// Take a key out of what was configured, so that the files hold again.
    #[arg(long, value_name = "KEY")]
    pub unset: Vec<String>,
    /// Start the service with it, if it does not run.
    #[arg(long)]
    pub start: bool,
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; it is kept with the event and shown by `status`.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How long to wait for what follows, at most `60s`; `0` = do not wait.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub wait: HumanDuration,
}

/// What `reload` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ReloadArgs {
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; it is kept with the event.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How long to wait for the services, at most `60s`; `0` = do not wait.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub wait: HumanDuration,
}

/// One `KEY=VALUE`: the keys of the path, and a value that is JSON, or else text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The keys, outermost first.
    pub path: Vec<String>,
    /// The value.
    pub value: serde_json::Value,
}

// === impl Assignment ===

impl std::str::FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, value) = text.split_once('=').ok_or("it has no `=`")?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err("it needs a key before the `=`");
        }
        let text = || serde_json::Value::from(value);
        Ok(Self { path, value: serde_json::from_str(value).unwrap_or_else(|_| text()) })
    }
}
