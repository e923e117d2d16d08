//! A table for every situation, and chains through them.

use std::collections::BTreeMap;

use processpype_api::{Acted, Desired, ErrorReport, Restart, ServiceState, Situation};

use super::*;

const NOW: Timestamp = Timestamp(1_795_000_100_000);

/// A service that runs and is ready, for 5 s.
fn service(name: &str) -> Known {
    let status = ServiceStatus {
        name: name.to_owned(),
        kind: name.to_owned(),
        state: ServiceState::Running,
        error: None,
        metadata: BTreeMap::new(),
        is_configured: true,
        enabled: true,
        ready: true,
        readiness_required: true,
        completed: false,
        generation: 1,
        since: Timestamp(NOW.0 - 5000),
        desired: Desired::Running,
        group: None,
        waiting_on: Vec::new(),
        restart: None,
        degraded: None,
        blocks: false,
        last_error: None,
        acted: None,
    };
    let mut rules = Rules::of(&Options::default());
    rules.within_ms = 60_000;
    Known::new(status, rules)
}

fn with(name: &str, change: impl FnOnce(&mut Known)) -> Known {
    let mut known = service(name);
    change(&mut known);
    known
}

fn stopped(name: &str, change: impl FnOnce(&mut Known)) -> Known {
    with(name, |it| {
        it.status.state = ServiceState::Stopped;
        it.status.desired = Desired::Stopped;
        it.status.ready = false;
        change(it);
    })
}

fn failed(name: &str, change: impl FnOnce(&mut Known)) -> Known {
    with(name, |it| {
        it.status.state = ServiceState::Error;
        it.status.ready = false;
        it.status.error = Some(error("the cellar is flooded", "start-failed"));
        change(it);
    })
}

/// A service that waits for others, the first one a provider, the rest of its group.
fn waiting(name: &str, on: &[&str]) -> Known {
    stopped(name, |it| {
        it.status.desired = Desired::Running;
        it.status.group = Some("pair".to_owned());
        it.status.waiting_on = on.iter().map(|&name| name.to_owned()).collect();
        it.providers = it.status.waiting_on.iter().take(1).cloned().collect();
    })
}

fn error(message: &str, kind: &str) -> ErrorReport {
    let at = Timestamp(NOW.0 - 4000);
    ErrorReport { message: message.to_owned(), kind: kind.to_owned(), at }
}

fn restart(attempt: u32, in_ms: Option<u64>) -> Restart {
    let next_at = in_ms.map(|ms| Timestamp(NOW.0 + ms));
    Restart { attempt, next_at, exhausted: next_at.is_none(), held: false }
}

fn acted(verb: &str, reason: Option<&str>) -> Acted {
    let (actor, verb) = ("anna".to_owned(), verb.to_owned());
    Acted {
        operation: 1,
        actor,
        verb,
        reason: reason.map(str::to_owned),
        at: Timestamp(NOW.0 - 5000),
    }
}

fn scene(all: &[Known], is_closing: bool) -> Scene {
    let services = all.iter().map(|it| (it.status.name.clone(), it.clone())).collect();
    Scene { now: NOW, is_closing, prefix: "/api".to_owned(), services }
}

/// Asks about the first service, and compares text and actions (`verb path`).
#[track_caller]
fn check(all: &[Known], text: &str, actions: &[&str]) -> Why {
    let scene = scene(all, false);
    compare(&scene, &all[0].status.name, text, actions)
}

#[track_caller]
fn compare(scene: &Scene, name: &str, text: &str, actions: &[&str]) -> Why {
    let why = explain(scene, name).expect("it is in the scene");
    assert_eq!(why.text, text);
    let found: Vec<String> = why
        .actions
        .iter()
        .map(|it| match &it.path {
            Some(path) => format!("{} {path}", it.method.as_deref().unwrap_or_default()),
            None => format!("{} {}", it.verb, it.service),
        })
        .collect();
    assert_eq!(found, actions);
    why
}

const START: &str = "POST /api/services/db/start";
const STOP: &str = "POST /api/services/db/stop";
const RESTART: &str = "POST /api/services/db/restart";

#[test]
fn stopped_for_each_reason() {
    let by = |reason| stopped("db", |it| it.status.acted = Some(acted("stop", reason)));
    let text = "db: stopped by anna at 2026-11-18T11:08:15.000Z, because: new disk";
    check(&[by(Some("new disk"))], text, &[START]);
    check(&[by(None)], "db: stopped by anna at 2026-11-18T11:08:15.000Z", &[START]);
    let taken = stopped("db", |it| {
        it.cascade = Some(Cascade { provider: "disk".to_owned(), actor: Some("anna".to_owned()) });
        it.held = Some("disk".to_owned());
    });
    let text = "db: stopped together with disk, which anna stopped with `cascade`";
    check(&[taken], text, &["POST /api/services/db/start?with_dependencies=true"]);
    let never = stopped("db", |it| (it.status.generation, it.rules.autostart) = (0, false));
    let text = "db: stopped, never started: `autostart` is false, and nothing that needs it was \
                started";
    check(&[never], text, &[START]);
    let disabled = stopped("db", |it| it.status.enabled = false);
    check(&[disabled], "db: stopped, disabled in the configuration", &["configure db"]);
    let completed = stopped("db", |it| it.status.completed = true);
    check(&[completed], "db: stopped, completed: it has done its work", &[START]);
    check(&[stopped("db", |_| {})], "db: stopped, and nobody wants it to run", &[START]);
    let queued = stopped("db", |it| it.status.desired = Desired::Running);
    check(&[queued], "db: stopped, about to start: it waits for its turn", &["wait db"]);
}

#[test]
fn on_the_way() {
    let starting = with("db", |it| it.status.state = ServiceState::Starting);
    let why = check(&[starting], "db: starting for 5.0 s, of at most 30.0 s", &["wait db", STOP]);
    assert_eq!(why.steps[0].next_at, Some(Timestamp(NOW.0 + 25_000)));
    let stopping = with("db", |it| it.status.state = ServiceState::Stopping);
    check(
        std::slice::from_ref(&stopping),
        "db: stopping for 5.0 s, of at most 10.0 s",
        &["wait db"],
    );
    let busy = Known { busy: Some(4_900), ..stopping };
    let text = "db: stopping for 5.0 s, of at most 10.0 s; its thread has not come back for at \
                least 4.9 s: it blocks or spins";
    check(&[busy], text, &["wait db"]);
}

#[test]
fn running_well_or_badly() {
    check(&[service("db")], "db: running for 5.0 s, ready", &[RESTART]);
    let mend = ["mend db", RESTART];
    let unready = with("db", |it| it.status.ready = false);
    check(&[unready], "db: running for 5.0 s, but it says that it is not ready", &mend);
    let degraded = with("db", |it| it.status.degraded = Some("slow disk".to_owned()));
    check(&[degraded], "db: running for 5.0 s, but degraded: slow disk", &mend);
    let hung = with("db", |it| it.hung = Some("no beat for 3 s".to_owned()));
    let why = check(&[hung], "db: running for 5.0 s, but hung: no beat for 3 s", &mend);
    assert_eq!(why.actions[1].text, "begins anew; those that need it may see it gone");
    let busy = with("db", |it| it.busy = Some(12_300));
    let text = "db: running for 5.0 s, but hung: its thread has not come back for at least 12.3 s: \
                it blocks or spins";
    let why = check(&[busy], text, &mend);
    assert!(why.actions[1].text.ends_with("only a restart of the process ends it"), "{why:?}");
    let complains = with("db", |it| it.status.error = Some(error("low on space", "reported")));
    let text = "db: running for 5.0 s, but it reports an error: low on space";
    check(&[complains], text, &mend);
}

#[test]
fn who_has_no_thread() {
    let name = |text: &str| ServiceName::new(text).expect("a good name");
    assert_eq!(starved(&[], 2), None);
    assert_eq!(starved(&[name("a")], 2), None);
    let both = starved(&[name("a"), name("b")], 2);
    let text = "it has no thread: a, b block or spin on all 2 threads that services share";
    assert_eq!(both.as_deref(), Some(text));
    let db = with("db", |it| it.starved = both);
    let text = format!("db: running for 5.0 s, ready; but {text}");
    check(&[db], &text, &["restart-process db", RESTART]);
    let many: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(name).into();
    let many = starved(&many, 1).expect("nobody else has one");
    assert!(many.contains("a, b, c, d and 2 more block or spin on the thread that"), "{many}");
}

#[test]
fn failed_and_what_follows() {
    let last = "last error: the cellar is flooded (start-failed)";
    let backoff = failed("db", |it| it.status.restart = Some(restart(3, Some(12_400))));
    let text = format!("db: error, in backoff, attempt 3 of 5, next try in 12.4 s; {last}");
    let why = check(std::slice::from_ref(&backoff), &text, &["wait db", START, STOP]);
    assert_eq!(why.steps[0].next_at, Some(Timestamp(NOW.0 + 12_400)));
    let mut held = backoff;
    held.status.restart.as_mut().expect("it has one").held = true;
    let text = format!(
        "db: error, held by the application's limit on restarts, attempt 3 of 5, its turn is in \
         12.4 s; {last}"
    );
    check(std::slice::from_ref(&held), &text, &["wait db", START, STOP]);
    held.paused_by = Some("token:ops".to_owned());
    let text = format!(
        "db: error, held by the pause of all restarts that token:ops began, attempt 3 of 5, its \
         turn is in 12.4 s; {last}"
    );
    check(&[held], &text, &["wait db", START, STOP]);
    let exhausted = failed("db", |it| it.status.restart = Some(restart(5, None)));
    let text = format!("db: error, exhausted: more than 5 restarts within 1 min 0 s; {last}");
    check(std::slice::from_ref(&exhausted), &text, &["mend db", START]);
    let mut by_group = exhausted;
    by_group.gave_up = Some("gave up after 3 restarts within 60 s of group `it`".to_owned());
    let text =
        format!("db: error, exhausted: gave up after 3 restarts within 60 s of group `it`; {last}");
    check(&[by_group], &text, &["mend db", START]);
    let never = failed("db", |it| it.rules.policy = RestartPolicy::Never);
    let text = format!("db: error, given up: its restart policy is `never`; {last}");
    check(&[never], &text, &["mend db", START]);
    check(&[failed("db", |_| {})], &format!("db: error; {last}"), &["mend db", START]);
    let orphan = failed("db", |it| {
        it.status.error = Some(error("`run` blocks; it may still run", "orphaned"));
    });
    let text = "db: error, orphaned: `run` blocks; it may still run";
    check(&[orphan], text, &["restart-process db", "POST /api/services/db/start?force=true"]);
}

#[test]
fn who_runs_again_after_a_failure_says_so() {
    let again = |change: fn(&mut ServiceStatus)| {
        with("db", |it| {
            it.status.generation = 12;
            it.status.since = Timestamp(NOW.0 - 200);
            it.status.last_error = Some(error("run panicked", "panic"));
            change(&mut it.status);
        })
    };
    let text = "db: running for 0.2 s, ready; this is generation 12, the one before failed 4.0 s \
                ago; last error: run panicked (panic)";
    check(&[again(|_| {})], text, &[RESTART]);
    let quiet = "db: running for 0.2 s, ready";
    let mended = |it: &mut ServiceStatus| {
        it.acted = Some(Acted { at: Timestamp(NOW.0 - 1000), ..acted("start", None) });
    };
    check(&[again(mended)], quiet, &[RESTART]);
    let provider = |it: &mut ServiceStatus| it.last_error = Some(error("no db", "dependency"));
    check(&[again(provider)], quiet, &[RESTART]);
    let long_ago = |it: &mut ServiceStatus| {
        if let Some(error) = &mut it.last_error {
            error.at = Timestamp(NOW.0 - processpype_api::FAILURE_TOLD_MS - 1);
        }
    };
    check(&[again(long_ago)], quiet, &[RESTART]);
}

#[test]
fn a_chain_is_followed_to_its_root() {
    let db = failed("db", |it| it.status.restart = Some(restart(3, Some(12_400))));
    let all = [waiting("api", &["cache"]), waiting("cache", &["db"]), db];
    let text = "api: stopped, waits for cache; cache: stopped, waits for db; db: error, in \
                backoff, attempt 3 of 5, next try in 12.4 s; last error: the cellar is flooded \
                (start-failed); api starts when cache is ready; cache starts when db is ready";
    let api =
        ["POST /api/services/api/start?with_dependencies=true", "POST /api/services/api/stop"];
    let why = check(&all, text, &["wait db", START, STOP, api[0], api[1]]);
    assert_eq!(why.roots, ["db"]);
    let depths: Vec<u32> = why.steps.iter().map(|step| step.depth).collect();
    assert_eq!(depths, [0, 1, 2]);
}

#[test]
fn two_roots_and_a_member_of_the_group() {
    let stopped = stopped("db", |it| it.status.acted = Some(acted("stop", None)));
    let mate = with("mate", |it| it.status.state = ServiceState::Stopping);
    let text = "api: stopped, waits for db, and for mate of its group `pair`; db: stopped by anna \
                at 2026-11-18T11:08:15.000Z; mate: stopping for 5.0 s, of at most 10.0 s; api \
                starts when db and mate are ready";
    let all = [waiting("api", &["db", "mate"]), stopped, mate];
    let with = "POST /api/services/api/start?with_dependencies=true";
    let actions = [START, "wait mate", with, "POST /api/services/api/stop"];
    let why = check(&all, text, &actions);
    assert_eq!(why.roots, ["db", "mate"]);
    let relations: Vec<&str> =
        why.steps[0].waits_for.iter().map(|it| it.relation.as_str()).collect();
    assert_eq!(relations, ["provider", "group"]);
}

#[test]
fn who_waits_for_members_of_its_group_alone() {
    let mut api = waiting("api", &["mate"]);
    api.providers.clear();
    let mate = with("mate", |it| it.status.state = ServiceState::Stopping);
    let text = "api: stopped, waits for mate of its group `pair`; mate: stopping for 5.0 s, of at \
                most 10.0 s";
    check(&[api, mate], text, &["wait mate", "POST /api/services/api/stop"]);
}

#[test]
fn who_runs_without_a_provider_leads_to_it() {
    let api = with("api", |it| {
        it.status.waiting_on = vec!["db".to_owned()];
        it.providers = vec!["db".to_owned()];
    });
    let db = stopped("db", |it| it.status.acted = Some(acted("stop", None)));
    let text = "api: running for 5.0 s, without db; db: stopped by anna at \
                2026-11-18T11:08:15.000Z";
    check(&[api, db], text, &[START]);
}

#[test]
fn a_closing_application_explains_everything() {
    let all = [waiting("api", &["db"]), service("db")];
    let scene = scene(&all, true);
    compare(&scene, "api", "api: stopped, the application is closing", &["wait api"]);
    compare(&scene, "db", "db: running, the application is closing", &["wait db"]);
}

#[test]
fn a_chain_is_bounded_and_ends_in_a_circle() {
    let name = |i: usize| format!("s{i}");
    let link = |i: usize| waiting(&name(i), &[&name(i + 1)]);
    let all: Vec<Known> = (0..200).map(link).collect();
    let why = explain(&scene(&all, false), "s0").expect("it is there");
    assert!(why.truncated);
    assert_eq!(why.steps.len(), STEPS_MAX);
    let circle = [waiting("api", &["db"]), waiting("db", &["api"])];
    let why = explain(&scene(&circle, false), "api").expect("it is there");
    assert_eq!((why.steps.len(), why.truncated), (2, false));
    assert_eq!(why.roots, ["api", "db"]);
}

#[test]
fn every_situation_is_a_word_of_its_own() {
    let words: std::collections::BTreeSet<&str> =
        Situation::ALL.iter().map(|situation| situation.as_str()).collect();
    assert_eq!(words.len(), Situation::ALL.len());
}

#[test]
fn times_are_as_exact_as_they_matter() {
    for (ms, expected) in [
        (0, "0.0 s"),
        (59_990, "59.9 s"),
        (61_000, "1 min 1 s"),
        (7_260_000, "2 h 1 min"),
        (180_000_000, "2 d 2 h"),
    ] {
        assert_eq!(words::time(ms), expected);
    }
}
