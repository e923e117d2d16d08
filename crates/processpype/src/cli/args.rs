//! What can be written on the command line. The doc comments are the help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use processpype_cli::{CLIENT_EXIT_CODES, ClientVerb, Shell, Target, URL_VARIABLE};

/// Run this application, look at what it would do, or ask and command one that runs.
///
/// Without a command, the application runs.
#[derive(Debug, Parser)]
#[command(
    after_help = format!(
        "Exit codes of what runs or checks the application: 0 clean · 64 usage · 69 address in use \
         · 70 own bug · 78 configuration or plan · 80 a significant service failed at start · \
         81 later · 82 services had to be ended by force · 83 second signal\nExit codes of what \
         asks a running one: {CLIENT_EXIT_CODES}"
    ),
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

    /// Where the running application listens. Left out: where this application's own configuration
    /// says.
    #[arg(
        short, long, value_name = "URL", global = true, env = URL_VARIABLE, hide_env_values = true
    )]
    pub(super) url: Option<Target>,

    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the application until it is asked to stop.
    Run,
    /// Check configuration and plan, and tell every problem at once.
    Check,
    /// Show in what order services start and stop, and how long that takes at worst.
    Plan {
        /// The plan of the running application, instead of what the configuration says now.
        #[arg(long)]
        remote: bool,
    },
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the OpenAPI document of the control API.
    Openapi,
    /// Show every value that holds, where it comes from and what it overrides; secrets are masked.
    Config {
        /// What holds in the running application, instead of what the configuration says now; of
        /// one service, or of all.
        #[arg(long, value_name = "SERVICE", num_args = 0..=1, default_missing_value = "")]
        remote: Option<String>,
    },
    /// Print the script that lets a shell complete this command line.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
    #[command(flatten)]
    Client(ClientVerb),
}
