//! What can be written on the command line. The doc comments are the help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Run this application, or look at what it would do.
///
/// Without a command, the application runs.
#[derive(Debug, Parser)]
#[command(
    after_help = "Exit codes: 0 clean · 64 usage · 69 address in use · 70 own bug · \
                  78 configuration or plan · 80 a significant service failed at start · \
                  81 later · 82 services had to be ended by force · 83 second signal",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    /// The configuration file: YAML, TOML or JSON.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    /// Read the profile's file too: `config.NAME.yaml` beside `config.yaml`.
    #[arg(short, long, value_name = "NAME", global = true)]
    pub(super) profile: Option<String>,

    /// Set one value, such as `services.counter.step=2`; it overrides files and environment.
    #[arg(short, long, value_name = "KEY=VALUE", global = true)]
    pub(super) set: Vec<String>,

    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the application until it is asked to stop.
    Run,
    /// Check configuration and plan, and tell every problem at once.
    Check,
    /// Show in what order services start and stop, and how long that takes at worst.
    Plan,
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the OpenAPI document of the control API.
    Openapi,
    /// Show every value that holds, where it comes from and what it overrides; secrets are masked.
    Config,
}
