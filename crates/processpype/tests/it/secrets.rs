//! Secrets are hidden for as long as anybody lives by them, and no longer.

use std::path::PathBuf;
use std::time::Duration;

use processpype::config::{Format, Layer, Secret};
use processpype::testing::{self, TestApp};
use processpype::{
    Application, CommandError, Config, ConfigChange, ConfigureError, Context, Done, Error,
    Generation, Request, Result, Service, ServiceState,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// More often than there is room for secrets.
const ROTATIONS: usize = 1100;

#[derive(Deserialize, JsonSchema)]
#[serde(default)]
struct GateConfig {
    token: Secret<String>,
    /// Said at its start.
    says: String,
    fails: bool,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { token: Secret::new(String::new()), says: String::new(), fails: false }
    }
}

/// Tells its token while it stops, as nobody should.
struct Gate(Config<GateConfig>);

impl Service for Gate {
    async fn start(&self, cx: &Context) -> Result {
        cx.degraded(format!("says {}", self.0.says));
        if self.0.fails { Err(Error::public("it is stuck")) } else { Ok(()) }
    }

    async fn run(&self, cx: &Context) -> Result {
        cx.stopping().await;
        cx.degraded(format!("still {}", self.0.token.expose()));
        cx.sleep(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        Err(Error::public(format!("closed with {}", self.0.token.expose())))
    }
}

async fn began(section: &str) -> TestApp {
    let app = Application::new().service(Gate).named("gate");
    let text = format!("services: {{gate: {{{section}}}}}");
    let app = app.config_text("app.yaml", Format::Yaml, text);
    testing::start(app).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn configure(app: &TestApp, json: &str, by: Request) -> Result<Done, CommandError> {
    let change = ConfigChange::patch(Layer::from_json(json.as_bytes()).unwrap());
    match app.manager().configure("gate", change, by).await {
        Ok(operation) => operation.outcome().await,
        Err(ConfigureError::Command(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn ops() -> Request {
    Request::by("ops:alice")
}

/// What the gate shows of a text that it says.
async fn shown(app: &TestApp, text: &str) -> String {
    configure(app, &format!("{{\"says\": \"{text}\"}}"), ops()).await.unwrap();
    app.manager().status("gate").unwrap().degraded.clone().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_hidden_until_the_generation_is_gone_that_used_it() {
    let app = began("token: sesame-0").await;
    for n in 1..4 {
        configure(&app, &format!("{{\"token\": \"sesame-{n}\"}}"), ops()).await.unwrap();
    }
    let events = app.get("/events?limit=1000").await.text();
    assert!(events.contains("closed with ***") && events.contains("still ***"), "{events}");
    assert!(!events.contains("sesame"), "{events}");
    assert_eq!(shown(&app, "sesame-0 sesame-2 sesame-3").await, "says sesame-0 sesame-2 ***");
    app.stop().await;
}

/// A file may have another secret in it than when the configuration was checked: whoever begins
/// anew has that one, and may show it at once.
#[tokio::test(start_paused = true)]
async fn a_secret_that_a_new_generation_reads_anew_is_hidden_at_once() {
    let folder = std::env::temp_dir().join(format!("processpype-anew-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |secret: &str| std::fs::write(folder.join("token"), secret).unwrap();
    write("sesame-old");
    let text = format!(
        "secrets: {{backends: {{files: {{kind: file, path: {}}}}}}}\n\
         services: {{gate: {{token: '${{secret://files:token}}'}}}}",
        folder.display()
    );
    let app = Application::new().service(Gate).named("gate");
    let app = testing::start(app.config_text("app.yaml", Format::Yaml, text)).await;
    let app = app.unwrap_or_else(|error| panic!("{error}"));
    write("sesame-new");
    app.manager().restart("gate").await.unwrap();
    app.manager().stop("gate").await.unwrap();
    let events = app.get("/events?limit=1000").await.text();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(events.matches("still ***").count(), 2, "{events}");
    assert!(!events.contains("sesame"), "{events}");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_may_be_rotated_as_often_as_one_likes() {
    let app = began("token: sesame").await;
    for n in 0..ROTATIONS {
        configure(&app, &format!("{{\"token\": \"sesame-{n}-\"}}"), ops()).await.unwrap();
    }
    let last = ROTATIONS - 1;
    assert_eq!(shown(&app, &format!("sesame-7- sesame-{last}-")).await, "says sesame-7- ***");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_taken_back_is_not_hidden_any_more() {
    let app = began("token: sesame").await;
    for n in 0..ROTATIONS {
        let json = format!("{{\"token\": \"refused-{n}-\"}}");
        let stale = configure(&app, &json, ops().expecting([Generation(99)])).await.unwrap_err();
        assert!(matches!(stale, CommandError::Stale { .. }), "{stale}");
    }
    let json = "{\"token\": \"tried-1\", \"fails\": true}";
    let error = configure(&app, json, ops()).await.unwrap_err();
    assert!(matches!(error, CommandError::RolledBack { .. }), "{error}");
    let text = shown(&app, "refused-7- tried-1 sesame").await;
    assert_eq!(text, "says refused-7- tried-1 ***");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_lets_go_of_what_was_in_the_files_before() {
    let folder = std::env::temp_dir().join(format!("processpype-rotated-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file: PathBuf = folder.join("app.yaml");
    let write = |n: usize| {
        let text = format!("services: {{gate: {{token: sesame-{n}-, autostart: false}}}}");
        std::fs::write(&file, text).unwrap();
    };
    write(0);
    let app = Application::new().service(Gate).named("gate").config_file(&file);
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    for n in 1..=ROTATIONS {
        write(n);
        app.manager().reload(ops()).await.unwrap();
    }
    app.manager().start("gate").await.unwrap();
    app.wait("gate", ServiceState::Running).await.unwrap();
    let text = shown(&app, &format!("sesame-7- sesame-{ROTATIONS}-")).await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(text, "says sesame-7- ***");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_its_secrets_along() {
    let app = Application::new().service(Gate).named("gate").kind("gate", Gate).creatable();
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    for n in 0..ROTATIONS {
        let config = serde_json::json!({ "token": format!("sesame-{n}-") });
        let wish = serde_json::json!({ "name": "other", "kind": "gate", "config": config });
        let made = app.post_json("/services", &wish).await;
        assert_eq!(made.status(), 201, "{}", made.text());
        app.manager().deregister("other").await.unwrap();
    }
    assert_eq!(shown(&app, "sesame-7-").await, "says sesame-7-");
    app.stop().await;
}
