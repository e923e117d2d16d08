//! Files that are loaded again: all of it, or nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use processpype::config::Layer;
use processpype::testing::{self, TestApp};
use processpype::{
    Application, CommandError, Config, ConfigChange, ConfigEffect, ConfigureError, Context, Error,
    NewConfig, Reconfigured, Request, Result, Service, ServiceState, Verb,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "a lamp has no use for its token")]
struct LampConfig {
    #[serde(default)]
    watts: u64,
    /// Whether it takes a new configuration over.
    #[serde(default)]
    dims: bool,
    token: Option<processpype::config::Secret<String>>,
}

struct Lamp {
    config: Config<LampConfig>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Service for Lamp {
    async fn start(&self, cx: &Context) -> Result {
        if self.config.watts == 14 {
            cx.sleep(Duration::from_secs(5)).await;
            return Err(Error::public("it burns out"));
        }
        self.seen.lock().unwrap().push(format!("{} {}", cx.name(), self.config.watts));
        match self.config.watts {
            13 => Err(Error::public("it does not light")),
            _ => Ok(()),
        }
    }

    async fn reconfigure(&self, _: &Context, new: NewConfig) -> Result<Reconfigured> {
        let new: Config<LampConfig> = new.read()?;
        Ok(if new.dims { Reconfigured::Applied } else { Reconfigured::NeedsRestart })
    }
}

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("processpype-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const FILE: &str = "
app: {title: Lamps}
services:
  hall: {watts: 10}
  kitchen: {watts: 20, dims: true}
  porch: {kind: lamp, watts: 30}
";

async fn began(name: &str, file: &str) -> (TestApp, Folder, Arc<Mutex<Vec<String>>>) {
    let folder = Folder::new(name);
    folder.write("app.yaml", file);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&seen);
    let lamp = move |config: Config<LampConfig>| Lamp { config, seen: Arc::clone(&own) };
    let app = Application::new()
        .service(lamp.clone())
        .named("hall")
        .service(lamp.clone())
        .named("kitchen")
        .kind("lamp", lamp)
        .config_file(folder.0.join("app.yaml"));
    let app = testing::start(app).await.unwrap_or_else(|error| panic!("{error}"));
    seen.lock().unwrap().clear();
    (app, folder, seen)
}

/// Reloads, and returns what it has led to: `service effect`, or `service!` if that failed.
async fn reload(app: &TestApp) -> Vec<String> {
    let reloading = app.manager().reload(Request::by("ops:alice")).await;
    let reloading = reloading.unwrap_or_else(|error| panic!("{error}"));
    let mut told: Vec<String> =
        reloading.fixed.iter().map(|fixed| format!("{} is fixed", fixed.path)).collect();
    let parts = reloading.leaving.into_iter().map(|part| (part, "left"));
    let parts = parts.chain(reloading.services.into_iter().map(|part| (part, "")));
    for ((name, operation), word) in
        parts.chain(reloading.joining.into_iter().map(|part| (part, "joined")))
    {
        told.push(match operation.outcome().await {
            Ok(done) => {
                format!("{name} {}", done.configured.map_or(word, ConfigEffect::as_str))
            }
            Err(error) => format!("{name}: {error}"),
        });
    }
    told
}

fn told(app: &TestApp) -> Vec<String> {
    let kinds = ["configured", "rolled-back", "reloaded", "reload-refused"];
    let events = app.manager().events(0, usize::MAX).events;
    let line = |event: &Arc<processpype::Event>| {
        let service = event.service.as_ref().map_or(String::new(), |name| format!(" {name}"));
        format!("{}{service}: {}", event.kind, event.message.as_deref().unwrap_or_default())
    };
    let events = events.iter().filter(|event| kinds.contains(&event.kind.as_str()));
    events.map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn only_services_whose_section_differs_are_touched() {
    let (app, folder, seen) = began("touched", FILE).await;
    assert_eq!(reload(&app).await, Vec::<String>::new(), "nothing is different");
    folder.write("app.yaml", &FILE.replace("watts: 20", "watts: 21").replace("30}", "31}"));
    assert_eq!(reload(&app).await, ["kitchen applied", "porch restarted"]);
    assert_eq!(*seen.lock().unwrap(), ["porch 31"]);
    let expected = [
        "reloaded: nothing is different",
        "configured kitchen: services.kitchen.watts",
        "configured porch: services.porch.watts",
        "reloaded: what is in the files holds",
    ];
    assert_eq!(told(&app), expected);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_wrong_changes_nothing() {
    let (app, folder, seen) = began("wrong", FILE).await;
    let wrong = FILE.replace("watts: 10", "wats: 11").replace("watts: 20", "watts: lots");
    folder.write("app.yaml", &wrong.replace("title", "titel"));
    let error = app.manager().reload(Request::by("ops:alice")).await.unwrap_err();
    let ConfigureError::Refused(refused) = error else { panic!("{error}") };
    let text = refused.to_string();
    for part in ["did you mean `title`?", "did you mean `watts`?", "services.kitchen.watts"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    folder.write(
        "app.yaml",
        "services: {hall: {watts: 1, depends_on: [kitchen]}, kitchen: {depends_on: [hall]}}",
    );
    let error = app.manager().reload(Request::by("ops:alice")).await.unwrap_err().to_string();
    assert!(error.contains("cycle"), "{error}");
    assert!(seen.lock().unwrap().is_empty());
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let told = told(&app);
    assert!(told.len() == 2 && told[0].starts_with("reload-refused: "), "{told:?}");
    folder.write("app.yaml", FILE);
    assert!(reload(&app).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_goes_back_and_the_others_go_on() {
    let (app, folder, seen) = began("back", FILE).await;
    folder.write("app.yaml", &FILE.replace("watts: 10", "watts: 13").replace("30}", "31}"));
    let back = "hall: the old configuration holds again: it does not light";
    assert_eq!(reload(&app).await, [back, "porch restarted"]);
    assert_eq!(*seen.lock().unwrap(), ["hall 13", "porch 31", "hall 10"]);
    assert_eq!(app.manager().state("hall"), Some(ServiceState::Running));
    assert_eq!(
        told(&app).last().unwrap(),
        "reloaded: what is in the files holds, but for 1 rolled back"
    );
    // What is in the file is still another one, and is tried again.
    assert_eq!(reload(&app).await, [back]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_is_left_as_it_is() {
    let (app, folder, seen) = began("fixed", FILE).await;
    let file = FILE
        .replace("title: Lamps", "title: More")
        .replace("20, dims", "22, depends_on: [hall], dims");
    folder.write("app.yaml", &file);
    let expected = ["app is fixed", "services.kitchen is fixed"];
    assert_eq!(reload(&app).await, expected);
    assert!(seen.lock().unwrap().is_empty());
    let fixed = expected.map(|it| it.trim_end_matches(" is fixed")).join(", ");
    let expected = "reloaded: no service is touched by what differs; restart the process for ";
    assert_eq!(told(&app), [format!("{expected}{fixed}")]);
}

#[tokio::test(start_paused = true)]
async fn what_came_over_the_api_lies_over_the_file_and_stays() {
    let (app, folder, _) = began("layer", FILE).await;
    let patch = ConfigChange::patch(Layer::from_json(br#"{"watts": 99}"#).unwrap());
    let given = app.manager().configure("kitchen", patch, Request::by("a")).await.unwrap();
    assert_eq!(given.outcome().await.unwrap().configured, Some(ConfigEffect::Applied));
    folder.write("app.yaml", &FILE.replace("watts: 20", "watts: 25"));
    assert!(reload(&app).await.is_empty(), "it is hidden");
    let remove = ConfigChange::remove();
    let given = app.manager().configure("kitchen", remove, Request::by("a")).await.unwrap();
    given.outcome().await.unwrap();
    let all = app.manager().config("kitchen").unwrap();
    let watts = all.iter().find(|it| it.path.ends_with(".watts")).unwrap();
    assert_eq!(watts.value, "25");
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_meanwhile_can_still_be_taken_back() {
    let file = FILE.replace("watts: 10", "watts: 10, significant: true");
    let (app, _folder, _) = began("tried", &file).await;
    let patch = ConfigChange::patch(Layer::from_json(br#"{"watts": 14}"#).unwrap());
    let given = app.manager().configure("hall", patch, Request::by("a")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(reload(&app).await.is_empty(), "the files say the same");
    let error = given.outcome().await.unwrap_err();
    assert!(matches!(error, CommandError::RolledBack { is_back: true, .. }), "{error}");
    assert_eq!(app.manager().application_state(), ServiceState::Running);
    let all = app.manager().config("hall").unwrap();
    assert_eq!(all.iter().find(|it| it.path.ends_with(".watts")).unwrap().value, "10");
}

#[tokio::test(start_paused = true)]
async fn who_waits_and_is_disabled_does_not_start_any_more() {
    let file = FILE.replace("hall: {watts: 10}", "hall: {watts: 10, depends_on: [kitchen]}");
    let (app, folder, seen) = began("waits", &file).await;
    app.manager().command("kitchen", Verb::stop().cascade(), Request::by("a")).await.unwrap();
    app.wait("kitchen", ServiceState::Stopped).await.unwrap();
    let start = Verb::start();
    folder.write("app.yaml", &file.replace("watts: 20", "watts: 13"));
    // Its provider does not light, so it waits.
    assert_eq!(reload(&app).await, ["kitchen kept"]);
    let with = Verb::start().with_dependencies();
    app.manager().command("hall", with, Request::by("a")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(app.manager().status("hall").unwrap().waiting_on.len(), 1);
    let off = file.replace("watts: 10,", "watts: 10, enabled: false,");
    folder.write("app.yaml", &off);
    assert_eq!(reload(&app).await, ["hall stopped", "kitchen kept"]);
    app.manager().command("kitchen", start, Request::by("a")).await.unwrap();
    app.wait("kitchen", ServiceState::Running).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(app.manager().state("hall"), Some(ServiceState::Stopped));
    assert!(seen.lock().unwrap().iter().all(|line| !line.starts_with("hall")), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_survives_it_and_enabling_starts() {
    let (app, folder, seen) = began("stop", FILE).await;
    app.manager().stop("hall").await.unwrap();
    let off =
        FILE.replace("watts: 10", "watts: 11").replace("watts: 20", "watts: 20, enabled: false");
    folder.write("app.yaml", &off);
    assert_eq!(reload(&app).await, ["hall kept", "kitchen stopped"]);
    folder.write("app.yaml", FILE);
    assert_eq!(reload(&app).await, ["hall kept", "kitchen started"]);
    assert_eq!(*seen.lock().unwrap(), ["kitchen 20"]);
    assert_eq!(app.manager().state("hall"), Some(ServiceState::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_another_one_is_a_change() {
    let folder = Folder::new("secret-values");
    folder.write("token", "hush-hush-1");
    let file = format!(
        "secrets: {{backends: {{s: {{kind: file, path: {}}}}}}}\n\
         services: {{hall: {{token: \"${{secret://s:token}}\"}}}}\n",
        folder.0.display()
    );
    let (app, _own, _) = began("secret", &file).await;
    assert!(reload(&app).await.is_empty());
    folder.write("token", "hush-hush-2");
    let preview = app.manager().preview_reload().await.unwrap();
    let all: Vec<String> = preview.differences.iter().map(ToString::to_string).collect();
    assert!(all.len() == 1 && all[0].starts_with("services.hall: *** -> ***"), "{all:?}");
    assert_eq!(reload(&app).await, ["hall restarted"]);
    assert!(reload(&app).await.is_empty());
    // A generation that has begun anew has read it already: nothing is new for that one.
    folder.write("token", "hush-hush-3");
    app.manager().restart("hall").await.unwrap();
    assert!(app.manager().preview_reload().await.unwrap().differences.is_empty());
    assert!(reload(&app).await.is_empty());
    // Also if it is again what was checked first.
    folder.write("token", "hush-hush-2");
    assert_eq!(reload(&app).await, ["hall restarted"]);
    assert!(reload(&app).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_preview_changes_nothing() {
    let (app, folder, seen) = began("preview", FILE).await;
    folder.write("app.yaml", &FILE.replace("watts: 10", "watts: 11, stop_timeout: 3s"));
    let preview = app.manager().preview_reload().await.unwrap();
    let differences: Vec<String> = preview.differences.iter().map(ToString::to_string).collect();
    let place = |at: &str| format!("({}:{at})", folder.0.join("app.yaml").display());
    let expected = [
        format!("services.hall.stop_timeout: nothing -> 3s {}", place("4:35")),
        format!("services.hall.watts: 10 -> 11 {}", place("4:17")),
    ];
    assert_eq!(differences, expected);
    let services: Vec<_> =
        preview.services.iter().map(|it| (it.service.as_str(), it.effect)).collect();
    assert_eq!(services, [("hall", None)]);
    assert!(seen.lock().unwrap().is_empty() && told(&app).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_fixed_stays_fixed_with_every_reload() {
    let (app, folder, seen) = began("fixed-again", FILE).await;
    let other = FILE.replace("hall: {watts: 10}", "hall: {watts: 11, depends_on: [porch]}");
    folder.write("app.yaml", &other);
    let fixed = ["services.hall is fixed"];
    assert_eq!(reload(&app).await, fixed);
    assert_eq!(reload(&app).await, fixed, "it compares with what is in force");
    let watts = |app: &TestApp| {
        let all = app.manager().config("hall").unwrap();
        let own = all.iter().find(|value| value.path == "services.hall.watts").unwrap();
        own.value.clone()
    };
    assert_eq!(watts(&app), "10");
    assert!(seen.lock().unwrap().is_empty());
    // It can still be configured, by what it has.
    let change = ConfigChange::put(Layer::from_json(br#"{"dims": true}"#).unwrap());
    let by = Request::by("ops:alice");
    let done = app.manager().configure("hall", change, by).await.unwrap();
    assert_eq!(done.outcome().await.unwrap().configured, Some(ConfigEffect::Applied));
    assert_eq!(watts(&app), "10");
    // And the file of old is what holds.
    folder.write("app.yaml", FILE);
    assert_eq!(reload(&app).await, [""; 0]);
    folder.write("app.yaml", &FILE.replace("watts: 10", "watts: 12"));
    assert_eq!(reload(&app).await, ["hall applied"]);
    assert_eq!(watts(&app), "12");
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_for_a_moment_does_no_harm() {
    let (app, folder, _) = began("empty", FILE).await;
    for empty in ["", "# lamps\n"] {
        folder.write("app.yaml", empty);
        let error = app.manager().reload(Request::by("ops:alice")).await.unwrap_err().to_string();
        assert!(error.contains("app.yaml any more"), "{error}");
    }
    for cut in ["app: {title: Lamps}", "services:\n"] {
        folder.write("app.yaml", cut);
        let error = app.manager().reload(Request::by("ops:alice")).await.unwrap_err().to_string();
        for part in ["the one service of theirs would leave", "write `services: {}` if that is"] {
            assert!(error.contains(part), "{cut}: {part} in {error}");
        }
    }
    folder.write("app.yaml", &FILE.replace("watts: 30", "watts: 31"));
    assert!(reload(&app).await.contains(&"porch restarted".to_owned()));
    folder.write("app.yaml", "services: {}");
    assert!(reload(&app).await.contains(&"porch left".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_ends_behind_services_resets_no_service_of_code() {
    let file = "services: {hall: {watts: 30, dims: true}}";
    let (app, folder, _) = began("cut-off", file).await;
    for cut in ["services:\n", "services: ~\n", "app: {title: Lamps}\nservices:\n  # gone\n"] {
        folder.write("app.yaml", cut);
        let error = app.manager().reload(Request::by("ops:alice")).await.unwrap_err().to_string();
        for part in ["nothing stands behind `services` any more", "app.yaml", "`services: {}`"] {
            assert!(error.contains(part), "{cut}: {part} in {error}");
        }
    }
    folder.write("app.yaml", "services: {}");
    assert_eq!(reload(&app).await, ["hall restarted"]);
    // Whoever has begun without has nothing to lose.
    folder.write("app.yaml", "services:\n");
    assert_eq!(reload(&app).await, [""; 0]);
}
