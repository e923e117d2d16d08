//! Services that come and go in the files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use processpype::config::Layer;
use processpype::registration::{Registration, Wish};
use processpype::testing::{self, TestApp};
use processpype::{
    Application, CancelError, CommandError, Config, ConfigChange, ConfigEffect, ConfigureError,
    Context, Dep, Deps, Error, Lookup, Operation, OperationState, Request, Result, Service,
    ServiceState, Verb,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct LampConfig {
    watts: u64,
    /// How long it takes to stop.
    #[serde(default)]
    glows: u64,
}

struct Lamp {
    config: Config<LampConfig>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Service for Lamp {
    async fn start(&self, cx: &Context) -> Result {
        self.seen.lock().unwrap().push(format!("{} {}", cx.name(), self.config.watts));
        match self.config.watts {
            13 => Err(Error::public("it does not light")),
            _ => Ok(()),
        }
    }

    async fn stop(&self, cx: &Context) -> Result {
        tokio::time::sleep(Duration::from_secs(self.config.glows)).await;
        self.seen.lock().unwrap().push(format!("{} off", cx.name()));
        Ok(())
    }
}

struct Counter;
impl Service for Counter {}

struct Folder(PathBuf);

impl Folder {
    fn write(&self, text: &str) {
        std::fs::write(self.0.join("app.yaml"), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct House {
    app: TestApp,
    folder: Folder,
    seen: Arc<Mutex<Vec<String>>>,
}

const FILE: &str = "
services:
  hall: {kind: lamp, watts: 10}
  porch: {kind: lamp, watts: 30, depends_on: [hall]}
";

impl House {
    async fn new(name: &str, file: &str) -> Self {
        Self::of(name, file, |app| app).await
    }

    async fn of(name: &str, file: &str, and: impl FnOnce(Application) -> Application) -> Self {
        let path = std::env::temp_dir().join(format!("processpype-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        folder.write(file);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&seen);
        let lamp = move |config: Config<LampConfig>| Lamp { config, seen: Arc::clone(&own) };
        let app = Application::new()
            .kind("lamp", lamp)
            .creatable()
            .kind("bulb", || Counter)
            .config_file(folder.0.join("app.yaml"));
        let app = testing::start(and(app)).await.unwrap_or_else(|error| panic!("{error}"));
        seen.lock().unwrap().clear();
        Self { app, folder, seen }
    }

    /// Writes the file and reloads; returns what it has led to.
    async fn becomes(&self, file: &str) -> Vec<String> {
        self.folder.write(file);
        self.reload().await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn reload(&self) -> Result<Vec<String>, ConfigureError> {
        let reloading = self.app.manager().reload(Request::by("ops:alice")).await?;
        let mut told: Vec<String> =
            reloading.fixed.iter().map(|it| format!("{}: {}", it.path, it.why)).collect();
        let parts = reloading.leaving.into_iter().map(|part| (part, "left"));
        let parts = parts.chain(reloading.services.into_iter().map(|part| (part, "")));
        let parts = parts.chain(reloading.joining.into_iter().map(|part| (part, "joined")));
        for ((name, operation), word) in parts {
            told.push(match operation.outcome().await {
                Ok(done) => {
                    format!("{name} {}", done.configured.map_or(word, ConfigEffect::as_str))
                }
                Err(error) => format!("{name}: {error}"),
            });
        }
        Ok(told)
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn names(&self) -> Vec<String> {
        self.app.manager().names().iter().map(ToString::to_string).collect()
    }

    /// Registers a lamp over the API, which needs another service.
    async fn register(&self, name: &str, needs: &str) {
        let section = format!(r#"{{"watts": 1, "depends_on": ["{needs}"]}}"#);
        let section = Layer::from_json(section.as_bytes()).unwrap();
        let wish = Wish::of(name.parse().unwrap(), "lamp").with_section(section);
        let spec = self.app.manager().create(&wish).await.unwrap();
        let registration = Registration::of(spec).started();
        let registered = self.app.manager().register(registration, Request::by("api")).await;
        registered.unwrap().start.unwrap().outcome().await.unwrap();
        self.seen();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_new_in_the_file_joins_and_starts_and_who_is_gone_leaves() {
    let house = House::new("turnover", FILE).await;
    let more = format!(
        "{FILE}  attic: {{kind: lamp, watts: 5, depends_on: [cellar]}}\n  \
         cellar: {{kind: lamp, watts: 6}}\n  \
         dark: {{kind: lamp, watts: 7, enabled: false}}\n  \
         later: {{kind: lamp, watts: 8, autostart: false}}\n"
    );
    let told = house.becomes(&more).await;
    assert_eq!(told, ["cellar joined", "dark joined", "later joined", "attic joined"]);
    assert_eq!(house.seen(), ["cellar 6", "attic 5"], "in the order of who needs whom");
    let manager = house.app.manager();
    let states = ["attic", "dark", "later"].map(|name| manager.state(name).unwrap());
    assert_eq!(states, [ServiceState::Running, ServiceState::Stopped, ServiceState::Stopped]);
    assert!(!manager.status("dark").unwrap().is_configured);
    // What has joined is of the file from then on.
    assert_eq!(house.becomes(&more.replace("watts: 6", "watts: 9")).await, ["cellar restarted"]);
    house.seen();
    let told = house.becomes(FILE).await;
    assert_eq!(told, ["attic left", "cellar left", "dark left", "later left"]);
    assert_eq!(house.seen(), ["attic off", "cellar off"], "dependents first");
    assert_eq!(house.names(), ["hall", "porch"]);
    // Whoever comes back goes on counting.
    house.becomes(&more).await;
    assert_eq!(manager.status("cellar").unwrap().generation.0, 3);
}

#[tokio::test(start_paused = true)]
async fn who_was_renamed_starts_when_the_old_one_is_gone() {
    let file = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("renamed", &file).await;
    let told = house.becomes(&file.replace("porch", "garden")).await;
    assert_eq!(told, ["porch left", "garden joined"], "{told:?}");
    assert_eq!(house.seen(), ["porch off", "garden 30"]);
    // Also if both names are the same in a variable.
    let dash = file.replace("porch", "back-door");
    assert_eq!(house.becomes(&dash).await, ["garden left", "back-door joined"]);
    let line = house.becomes(&dash.replace("back-door", "back_door")).await;
    assert_eq!(line, ["back-door left", "back_door joined"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_leaves_whom_somebody_needs_who_joined_over_the_api() {
    let house = House::new("held", FILE).await;
    house.register("spot", "porch").await;
    house.folder.write(&FILE.replace("  porch", "  x-porch").replace("10", "11"));
    let error = house.reload().await.unwrap_err().to_string();
    for part in ["`porch` is gone", "`spot`, registered while", "deregister `spot` first"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!((house.names().len(), house.seen()), (3, vec![]), "nothing has changed");
    house.app.manager().deregister("spot").await.unwrap();
    house.seen();
    let told = house.reload().await.unwrap();
    assert_eq!(told, ["porch left", "hall restarted"]);
}

#[tokio::test(start_paused = true)]
async fn who_takes_all_there_are_keeps_those_that_were_there_and_is_configured_all_the_same() {
    let file = format!("{FILE}  counter: {{start_timeout: 9s}}\n");
    let counter = |app: Application| app.service(|_: Deps<Lamp>| Counter).named("counter");
    let house = House::of("all", &file, counter).await;
    let bound = "services.counter: its handles are bound once, to those that were there";
    let more = format!("{file}  attic: {{kind: lamp, watts: 5}}\n").replace("9s", "8s");
    assert_eq!(house.becomes(&more).await, [bound, "counter applied", "attic joined"]);
    // Nobody leaves whom it has a handle to; of one that joined later it has none.
    let told = house.becomes(&file.replace("  porch", "  x-porch")).await;
    let goes_on = "services.porch: it goes on: `counter` had a handle to it";
    assert_eq!(told, [bound, goes_on, "attic left", "counter applied"]);
    assert_eq!(house.becomes(&file).await, [""; 0], "as at the start");
}

#[tokio::test(start_paused = true)]
async fn who_had_a_handle_keeps_whom_it_needs() {
    let house = House::new("kept", FILE).await;
    let file = FILE.replace(", depends_on: [hall]", "");
    // Neither the edge nor the provider is in the file any more.
    let file = file.replace("  hall: {kind: lamp, watts: 10}\n", "").replace("30", "31");
    let told = house.becomes(&file).await;
    let ties = "services.porch: its dependencies are other ones, and the plan is made once";
    let goes_on = "services.hall: it goes on: `porch` had a handle to it";
    assert!(told.contains(&ties.to_owned()), "{told:?}");
    assert!(
        told.iter().any(|it| it.starts_with("services.hall: it goes on: ")),
        "{told:?} {goes_on}"
    );
    assert_eq!(house.names(), ["hall", "porch"]);
    assert!(house.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_one_that_joins_changes_nothing() {
    let house = House::new("unjoined", FILE).await;
    let changed = FILE.replace("watts: 10", "watts: 11");
    for (line, expected) in [
        ("attic: {kind: lmap, watts: 5}", "there is no kind `lmap`"),
        ("attic: {kind: lamp, wats: 5}", "did you mean `watts`?"),
        ("attic: {kind: lamp, watts: 5, depends_on: [attic]}", "attic"),
        ("attic: {kind: lamp, watts: 5, depends_on: [nobody]}", "`nobody`"),
    ] {
        house.folder.write(&format!("{changed}  {line}\n"));
        let error = house.reload().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected} in {error}");
    }
    assert_eq!((house.names().len(), house.seen()), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn one_that_joins_and_fails_is_in_error_and_all_others_go_on() {
    let house = House::new("fails", FILE).await;
    let more = format!(
        "{}  attic: {{kind: lamp, watts: 13, restart: {{policy: never}}}}\n",
        FILE.replace("watts: 10", "watts: 11")
    );
    let told = house.becomes(&more).await;
    assert_eq!(told, ["hall restarted", "attic: it does not light"]);
    assert_eq!(house.app.manager().state("attic"), Some(ServiceState::Error));
    let events = house.app.manager().events(0, usize::MAX).events;
    let last = events.iter().rfind(|it| it.kind.as_str() == "reloaded").unwrap();
    let text = last.message.as_deref().unwrap();
    assert!(text.starts_with("what is in the files holds, but for 1 that failed"), "{text}");
    // It is there, and mended like any other.
    let told = house.becomes(&more.replace("watts: 13", "watts: 14")).await;
    assert_eq!(told, ["attic kept"]);
    house.app.manager().start("attic").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reload_waits_until_those_of_the_last_one_have_left() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("twice", &slow).await;
    house.folder.write(&slow.replace("  porch", "  x-porch"));
    let first = house.app.manager().reload(Request::by("ops:alice")).await.unwrap();
    assert_eq!(house.app.manager().state("porch"), Some(ServiceState::Stopping));
    // It is back in the file before it is gone.
    let told = house.becomes(&slow).await;
    assert_eq!(told, ["porch joined"]);
    for (_, operation) in first.leaving {
        operation.outcome().await.unwrap();
    }
    assert_eq!(house.seen(), ["porch off", "porch 30"]);
}

#[tokio::test(start_paused = true)]
async fn a_later_command_wins_and_the_next_reload_tries_again() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("later", &slow).await;
    let gone = slow.replace("  porch", "  x-porch");
    house.folder.write(&gone);
    let manager = house.app.manager();
    let mut reloading = manager.reload(Request::by("ops:alice")).await.unwrap();
    let start = Verb::start();
    let started = manager.command("porch", start, Request::by("ops:bob")).await.unwrap();
    let (_, leaving) = reloading.leaving.pop().unwrap();
    assert!(matches!(leaving.outcome().await, Err(CommandError::Superseded)));
    started.outcome().await.unwrap();
    assert_eq!(manager.state("porch"), Some(ServiceState::Running));
    assert_eq!(house.becomes(&gone).await, ["porch left"]);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_did_with_members_survives() {
    let house = House::new("operator", FILE).await;
    let manager = house.app.manager();
    house.register("spot", "hall").await;
    manager.deregister("porch").await.unwrap();
    house.seen();
    let away = "services.porch: it was deregistered, which lasts until then, or until a reload \
                finds the files without it";
    let told = house.becomes(FILE).await;
    assert!(told.contains(&away.to_owned()), "{told:?}");
    assert_eq!(house.names(), ["hall", "spot"]);
    assert!(house.seen().is_empty());
    // A section with the name of one that was registered is not looked at.
    let told = house.becomes(&format!("{FILE}  spot: {{kind: lamp, watts: 77}}\n")).await;
    let taken = "services.spot: a service of this name was registered meanwhile";
    assert!(told.contains(&taken.to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_was_sent_away_stays_away_although_another_had_the_name_meanwhile() {
    let house = House::new("sent-away", FILE).await;
    let manager = house.app.manager();
    manager.deregister("porch").await.unwrap();
    house.register("porch", "hall").await;
    let taken = "services.porch: a service of this name was registered meanwhile";
    assert_eq!(house.becomes(FILE).await, [taken]);
    manager.deregister("porch").await.unwrap();
    house.seen();
    let away = "services.porch: it was deregistered, which lasts until then, or until a reload \
                finds the files without it";
    assert_eq!(house.becomes(FILE).await, [away]);
    assert_eq!((house.names(), house.seen()), (vec!["hall".to_owned()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_fits_the_files_and_not_those_who_are_there_is_refused_and_told() {
    let user = |app: Application| app.kind("user", |_: Dep<Lamp>| Counter);
    let house = House::of("unfit", "services: {hall: {kind: lamp, watts: 10}}", user).await;
    house.register("spot", "hall").await;
    house.folder.write("services: {hall: {kind: lamp, watts: 11}, user: {kind: user}}");
    let foreseen = house.app.manager().preview_reload().await.unwrap_err();
    let error = house.reload().await.unwrap_err();
    assert_eq!(foreseen.to_string(), error.to_string(), "a dry run is asked the same");
    let ConfigureError::Command(CommandError::Unjoinable { why }) = &error else {
        panic!("{error}")
    };
    assert!(why.contains("`spot`"), "{why}");
    assert_eq!((house.names().len(), house.seen()), (2, vec![]), "nothing has changed");
    let events = house.app.manager().events(0, usize::MAX).events;
    let refused = events.iter().filter(|it| it.kind.as_str() == "reload-refused");
    let [refused] = refused.collect::<Vec<_>>()[..] else { panic!("{events:?}") };
    assert_eq!(refused.actor.as_deref(), Some("ops:alice"));
    assert_eq!(refused.message.as_deref(), Some(&*error.to_string()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_of_one_that_joined_is_told_as_of_all() {
    let house = House::new("joined-fixed", FILE).await;
    let more = format!("{FILE}  attic: {{kind: lamp, watts: 5, depends_on: [hall]}}\n");
    house.becomes(&more).await;
    let told = house.becomes(&more.replace("5, depends_on: [hall]", "6")).await;
    assert_eq!(
        told[..1],
        ["services.attic: its dependencies are other ones, and the plan is made once"]
    );
    let told =
        house.becomes(&more.replace("attic: {kind: lamp, watts: 5", "attic: {kind: bulb")).await;
    assert!(told[0].starts_with("services.attic.kind: "), "{told:?}");
    let told = house.becomes(&more.replace("watts: 5", "watts: 6")).await;
    assert_eq!(told, ["attic restarted"], "{told:?}");
    // What comes over the API lies over it, as over all.
    let patch = ConfigChange::patch(Layer::from_json(br#"{"watts": 9}"#).unwrap());
    let manager = house.app.manager();
    let given = manager.configure("attic", patch, Request::by("a")).await.unwrap();
    assert_eq!(given.outcome().await.unwrap().configured, Some(ConfigEffect::Restarted));
    let all = manager.config("attic").unwrap();
    let value = |path: &str| all.iter().find(|it| it.path == path).unwrap().value.clone();
    assert_eq!(value("services.attic.watts"), "9");
    assert_eq!(value("services.attic.kind"), "lamp");
}

#[tokio::test(start_paused = true)]
async fn a_member_of_a_group_joins_when_the_process_starts() {
    let house = House::new("grouped", FILE).await;
    let more = format!(
        "{FILE}  attic: {{kind: lamp, watts: 5}}\n  roof: {{kind: lamp, watts: 5, depends_on: \
         [attic]}}\ngroups: {{up: {{members: [attic]}}}}\n"
    );
    let told = house.becomes(&more).await;
    let is_told = |part: &str| told.iter().any(|it| it.contains(part));
    assert!(is_told("services.attic: groups are read once"), "{told:?}");
    assert!(is_told("services.roof: it needs `attic`"), "{told:?}");
    assert_eq!(house.names().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_preview_tells_who_would_come_and_go() {
    let house = House::new("foreseen", FILE).await;
    let other = FILE.replace("porch", "garden");
    house.folder.write(&other);
    let preview = house.app.manager().preview_reload().await.unwrap();
    let names =
        |all: &[processpype::ServiceName]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&preview.leaving), ["porch"]);
    assert_eq!(names(&preview.joining), ["garden"]);
    let told: Vec<String> = preview.differences.iter().map(ToString::to_string).collect();
    let has = |part: &str| told.iter().any(|it| it.starts_with(part));
    assert!(has("services.porch.watts: 30 -> nothing"), "{told:?}");
    assert!(has("services.garden.watts: nothing -> 30"), "{told:?}");
    assert!(has("services.porch.depends_on[0]: hall -> nothing"), "{told:?}");
    assert!(!told.iter().any(|it| it.contains("[]")), "no default without a service: {told:?}");
    assert_eq!(house.names(), ["hall", "porch"]);
}

#[tokio::test(start_paused = true)]
async fn a_preview_waits_for_who_leaves_as_the_reload_would() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("foreseen-late", &slow).await;
    house.folder.write(&slow.replace("  porch", "  x-porch"));
    let manager = house.app.manager();
    manager.reload(Request::by("ops:alice")).await.unwrap();
    house.folder.write(&slow);
    let preview = manager.preview_reload().await.unwrap();
    assert_eq!(
        preview.joining.iter().map(processpype::ServiceName::as_str).collect::<Vec<_>>(),
        ["porch"]
    );
    assert_eq!(house.reload().await.unwrap(), ["porch joined"]);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_does_not_wait_for_who_leaves_by_the_first() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("repeated", &slow).await;
    house.folder.write(&slow.replace("  porch", "  x-porch"));
    let (manager, by) = (house.app.manager(), Request::by("ops:alice").keyed("once"));
    // One comes while the first is read, one after.
    let (first, second) = tokio::join!(manager.reload(by.clone()), manager.reload(by.clone()));
    let third = manager.reload(by).await.unwrap();
    assert_eq!(manager.state("porch"), Some(ServiceState::Stopping), "it is not gone yet");
    let all = [first.unwrap(), second.unwrap(), third];
    assert!(all.iter().all(|it| it.operation == all[0].operation), "{all:?}");
    for reloading in all {
        let [(_, part)] = <[_; 1]>::try_from(reloading.leaving).unwrap();
        part.outcome().await.unwrap();
    }
    assert_eq!(house.seen(), ["porch off"]);
}

/// Two leave, the first of them slowly, and two join, the second of which needs the first.
const OTHERS: &str = "services: {attic: {kind: lamp, watts: 5}, cellar: {kind: lamp, watts: 6, \
                      depends_on: [attic]}}";

#[tokio::test(start_paused = true)]
async fn a_part_of_a_reload_that_has_not_begun_can_be_cancelled() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("part", &slow).await;
    let manager = house.app.manager();
    house.folder.write(OTHERS);
    let reloading = manager.reload(Request::by("ops:alice")).await.unwrap();
    let parts = reloading.leaving.into_iter().chain(reloading.joining);
    let mut parts: HashMap<String, Operation> =
        parts.map(|(name, operation)| (name.to_string(), operation)).collect();
    let bob = || Request::by("ops:bob").because("not these");
    for name in ["hall", "attic"] {
        let cancelled = manager.cancel(parts[name].id(), bob()).await.unwrap();
        assert_eq!(cancelled.state(), OperationState::Cancelled, "{name}");
        let again = manager.cancel(parts[name].id(), bob()).await;
        assert_eq!(again, Err(CancelError::Ended(cancelled)), "{name}");
    }
    assert_eq!(manager.cancel(parts["porch"].id(), bob()).await, Err(CancelError::IsStop));
    let outcome = async |it: Option<Operation>| it.unwrap().outcome().await.map(drop);
    assert_eq!(outcome(parts.remove("porch")).await, Ok(()));
    for name in ["hall", "attic"] {
        assert_eq!(outcome(parts.remove(name)).await, Err(CommandError::Cancelled), "{name}");
    }
    // Who needs one that does not join is left out.
    let needs = outcome(parts.remove("cellar")).await.unwrap_err();
    assert!(matches!(&needs, CommandError::Unjoinable { why } if why.contains("attic")), "{needs}");
    assert_eq!(house.names(), ["hall"]);
    let events = manager.events(0, usize::MAX).events;
    let cancelled = events.iter().filter(|it| it.cause == "cancelled");
    let told: Vec<_> = cancelled
        .map(|it| (it.service.as_ref().unwrap().as_str(), it.actor.as_deref().unwrap()))
        .collect();
    assert_eq!(told, [("hall", "ops:bob"), ("attic", "ops:bob")]);
    // The files say it all the same.
    assert_eq!(house.reload().await.unwrap(), ["hall left", "attic joined", "cellar joined"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_is_cancelled_ends_with_what_has_begun_of_it() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("whole", &slow).await;
    let manager = house.app.manager();
    house.folder.write(OTHERS);
    let mut reloading = manager.reload(Request::by("ops:alice")).await.unwrap();
    let (id, bob) = (reloading.operation, || Request::by("ops:bob"));
    let going = manager.cancel(id, bob()).await.unwrap();
    assert_eq!(going.state(), OperationState::Waiting, "one has begun to leave");
    assert_eq!(manager.cancel(id, bob()).await, Err(CancelError::HasBegun));
    let (_, porch) = reloading.leaving.remove(0);
    porch.outcome().await.unwrap();
    for (name, part) in reloading.leaving.into_iter().chain(reloading.joining) {
        assert_eq!(part.outcome().await, Err(CommandError::Cancelled), "{name}");
    }
    assert_eq!(house.names(), ["hall"]);
    let Lookup::Found(ended) = manager.operation(id) else { panic!("it is known") };
    assert_eq!(ended.state(), OperationState::Cancelled);
    let events = manager.events(0, usize::MAX).events;
    let last = events.iter().rfind(|it| it.kind.as_str() == "reloaded").unwrap();
    assert_eq!(last.message.as_deref(), Some("what is in the files holds, but for 3 cancelled"));
    assert_eq!(house.reload().await.unwrap(), ["hall left", "attic joined", "cellar joined"]);
}

#[tokio::test(start_paused = true)]
async fn who_was_sent_away_comes_back_once_the_files_were_seen_without_it() {
    let house = House::new("forgiven", FILE).await;
    house.app.manager().deregister("porch").await.unwrap();
    assert_eq!(house.becomes(FILE).await.len(), 1, "it stays away");
    assert_eq!(house.becomes(&FILE.replace("  porch", "  x-porch")).await, [""; 0]);
    assert_eq!(house.becomes(FILE).await, ["porch joined"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_deregistered_before_the_reload_asks_it_has_left_all_the_same() {
    let slow = FILE.replace("watts: 30,", "watts: 30, glows: 5,");
    let house = House::new("before", &slow).await;
    let manager = house.app.manager();
    manager.stop("hall").await.unwrap();
    house.folder.write("services: {}");
    let reloading = manager.reload(Request::by("ops:alice")).await.unwrap();
    // In the moment in which its last dependent is gone.
    tokio::time::sleep(Duration::from_secs(5)).await;
    manager.deregister("hall").await.unwrap();
    for (name, operation) in reloading.leaving {
        operation.outcome().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(house.names().is_empty());
    let told = house.becomes(FILE).await;
    assert!(told[0].starts_with("services.hall: it was deregistered"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_not_joined_when_the_application_closes_is_told_so_and_the_reload_ends() {
    // Nobody runs, so it closes at once; more join than do in one share of the loop.
    let lamp = |name: String| format!("  {name}: {{kind: lamp, watts: 1, autostart: false}}\n");
    let file = format!("services:\n{}", lamp("hall".to_owned()));
    let house = House::new("closes", &file).await;
    let manager = house.app.manager().clone();
    let new: String = (0..60).map(|number| lamp(format!("new{number}"))).collect();
    house.folder.write(&format!("{file}{new}"));
    let reloading = manager.reload(Request::by("ops:alice")).await.unwrap();
    house.app.stop().await;
    let mut closing = 0;
    for (name, operation) in reloading.joining {
        match operation.outcome().await {
            Ok(_) => {}
            Err(CommandError::Closing) => closing += 1,
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(closing > 0, "all have joined before");
    let events = manager.events(0, usize::MAX).events;
    let at = |kind: &str, cause| {
        events.iter().position(|it| it.kind.as_str() == kind && it.cause == cause)
    };
    let (reloaded, closed) = (at("reloaded", "reload"), at("application", "closed"));
    assert!(reloaded.is_some() && reloaded < closed, "{reloaded:?} {closed:?}");
}
