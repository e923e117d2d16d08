//! The view as a value: what messages make of it, and what it looks like in several sizes.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Color;
use serde_json::{Value, json};

use super::draw::{Theme, draw};
use super::key::Key;
use super::model::{Link, Mode, Model, Pane, Stream};
use super::update::{Effect, Look, Message, Trouble, update};

/// The second at which the view begins.
const BEGIN: &str = "2026-11-26T10:00:00.000Z";

fn service(name: &str, state: &str, more: &Value) -> Value {
    let running = state == "running";
    let mut service = json!({
        "name": name, "kind": name, "state": state, "error": null, "metadata": {},
        "is_configured": true, "enabled": true, "ready": running, "completed": false,
        "generation": 1, "since": "2026-11-26T09:58:30.000Z", "desired": "running",
        "waiting_on": [], "restart": null, "degraded": null, "last_error": null, "acted": null,
    });
    for (key, value) in more.as_object().expect("fields") {
        service[key] = value.clone();
    }
    service
}

fn shop() -> Value {
    let error = json!({"message": "cannot make the directory ./data", "kind": "start-failed",
                       "at": "2026-11-26T09:59:50.000Z"});
    let restart = json!({"attempt": 3, "next_at": "2026-11-26T10:00:12.000Z", "exhausted": false,
                         "held": false});
    let failed = json!({"error": error, "restart": restart, "generation": 4,
                        "since": "2026-11-26T09:59:50.000Z"});
    let stopped = json!({"desired": "stopped",
                         "acted": {"actor": "token:local", "verb": "stop", "reason": null,
                                   "operation": 1,
                                   "at": "2026-11-26T09:59:00.000Z"}});
    let all = [
        service("api", "running", &json!({"waiting_on": ["store"]})),
        service("collector", "starting", &json!({"since": "2026-11-26T09:59:58.000Z"})),
        service("retention", "stopped", &json!({"waiting_on": ["store"]})),
        service("spare", "stopped", &stopped),
        service("store", "error", &failed),
        service("a_service_with_a_very_long_name_indeed", "running", &json!({})),
    ];
    let all: serde_json::Map<String, Value> =
        all.into_iter().map(|it| (it["name"].as_str().unwrap().to_owned(), it)).collect();
    json!({"title": "Shop", "version": "1.4.0", "environment": "test", "state": "running",
           "services": all})
}

fn many(count: usize) -> Value {
    let mut shop = shop();
    for i in 0..count {
        let name = format!("worker_{i:03}");
        shop["services"][&name] = service(&name, "running", &json!({}));
    }
    shop
}

fn model(shop: Value) -> Model {
    let model =
        Model::new("http://127.0.0.1:8080".to_owned(), serde_json::from_value(shop).unwrap());
    let now = serde_json::from_value(json!(BEGIN)).unwrap();
    after(model, [Message::Looked(Ok(Look { application: None, now: Some(now) }))]).0
}

fn after(model: Model, messages: impl IntoIterator<Item = Message>) -> (Model, Vec<Effect>) {
    messages.into_iter().fold((model, Vec::new()), |(model, mut all), message| {
        let (model, effects) = update(model, message);
        all.extend(effects);
        (model, all)
    })
}

fn key(code: KeyCode) -> Message {
    Message::Key(Key::new(code, KeyModifiers::NONE))
}

fn keys(text: &str) -> Vec<Message> {
    text.chars().map(|letter| key(KeyCode::Char(letter))).collect()
}

fn lost() -> Message {
    let text = "nothing answers at http://127.0.0.1:8080: Connection refused".to_owned();
    Message::Looked(Err(Trouble { text, is_refusal: false }))
}

fn text(pane: Pane, service: &str, lines: &[&str]) -> Message {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Message::Text { of: (pane, service.to_owned()), lines: Ok(lines) }
}

fn event(seq: u64, service: &str, from: &str, to: &str) -> Message {
    let event = json!({"seq": seq, "time": BEGIN, "kind": "state", "service": service,
                       "generation": 1, "from": from, "to": to, "cause": "progress",
                       "actor": null, "operation": null, "message": null});
    Message::Event(serde_json::from_value(event).unwrap())
}

fn buffer(model: &Model, width: u16, height: u16, has_colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, Theme { has_colour }, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// Returns what is on the screen, line by line.
fn screen(model: &Model, width: u16, height: u16) -> String {
    let buffer = buffer(model, width, height, false);
    let line = |y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        format!("|{cells}|\n")
    };
    (0..height).map(line).collect()
}

/// Compares the screen with a golden file, in several sizes.
#[track_caller]
fn check(name: &str, model: &Model) {
    let sizes = [(80, 24), (132, 30), (48, 14), (24, 6)];
    let screens = sizes
        .map(|(width, height)| format!("{width}x{height}\n{}\n", screen(model, width, height)));
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/top");
    let path = directory.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(&path, screens.concat()).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(screens.concat(), golden, "{name} differs; UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn a_service_in_trouble() {
    let why = [
        "store: error, in backoff, attempt 3 of 5, next try in 12.0 s; last error: cannot make the \
         directory ./data (start-failed)",
        "what can be done",
        "  wait (store)                   it is tried again by itself",
    ];
    let begin = keys("jjjjj").into_iter().chain([text(Pane::Why, "store", &why)]);
    check("trouble", &after(model(shop()), begin).0);
}

#[test]
fn the_connection_is_lost() {
    let messages = [Message::Tick(1000), lost(), Message::Tick(1300)];
    check("lost", &after(model(shop()), messages).0);
}

#[test]
fn a_command_asks_first() {
    check("confirm", &after(model(shop()), keys("jjx")).0);
}

#[test]
fn a_filter_and_an_order() {
    check("filter", &after(model(shop()), keys("o/st")).0);
    check("filter-none", &after(model(shop()), keys("/nobody")).0);
}

#[test]
fn events_and_help() {
    let events = (0..40).map(|seq| event(seq, "api", "starting", "running"));
    check("events", &after(model(shop()), keys("e").into_iter().chain(events)).0);
    check("help", &after(model(shop()), keys("?")).0);
}

#[test]
fn a_thousand_services() {
    let (model, _) = after(model(many(1000)), [key(KeyCode::End)]);
    assert_eq!(model.selected.as_deref(), Some("worker_999"));
    check("many", &model);
}

#[test]
fn nothing_panics_in_any_size() {
    for shop in [
        shop(),
        many(50),
        json!({"title": "Empty", "version": "1", "environment": "e",
                                          "state": "starting", "services": {}}),
    ] {
        for typed in ["", "e", "?", "/zzz", "x", "jjjjjjjj]]]]]]"] {
            let (model, _) = after(model(shop.clone()), keys(typed));
            for (width, height) in (0..30).flat_map(|w| (0..14).map(move |h| (w * 3, h))) {
                buffer(&model, width, height, true);
            }
        }
    }
}

#[test]
fn colour_only_repeats_what_a_word_says() {
    let model = model(shop());
    let plain = buffer(&model, 80, 24, false);
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let coloured = buffer(&model, 80, 24, true);
    let red = coloured.content().iter().filter(|cell| cell.fg == Color::Red);
    let red: String = red.map(Cell::symbol).collect();
    assert_eq!(red.trim(), "error");
}

#[test]
fn commands_are_given_after_a_yes() {
    let (asked, effects) = after(model(shop()), keys("jx"));
    assert!(matches!(asked.mode, Mode::Confirm(_)) && effects.is_empty());
    let (no, effects) = after(asked.clone(), keys("n"));
    assert_eq!((&no.mode, effects.len()), (&Mode::Table, 0));
    let (yes, effects) = after(asked, keys("y"));
    let [Effect::Give(command)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((command.verb.word(), command.service.as_str()), ("stop", "api"));
    // While it is not over, no other one is given.
    let (busy, effects) = after(yes, keys("s"));
    assert!(effects.is_empty() && busy.note.as_ref().is_some_and(|note| note.is_error));
    let (over, _) = after(busy, [Message::Done(Ok("api stopped".to_owned()))]);
    let (_, effects) = after(over, keys("s"));
    assert!(matches!(&effects[..], [Effect::Give(_)]), "{effects:?}");
}

#[test]
fn looks_have_a_bounded_rate() {
    let (mut model, mut looks, mut asked) = (model(shop()), 0, 0);
    for own in (0..10_000).step_by(100) {
        // A storm: ten events between two ticks, and every answer at once.
        let storm = (0..10).map(|seq| event(own * 10 + seq, "api", "starting", "running"));
        let (next, effects) = after(model, storm.chain([Message::Tick(own)]));
        looks += effects.iter().filter(|effect| **effect == Effect::Look).count();
        let reads = effects.iter().filter(|effect| matches!(effect, Effect::Read(..)));
        asked += reads.count();
        let same = Look { application: None, now: None };
        let answered = [Message::Looked(Ok(same)), text(Pane::Why, "api", &["api: running"])];
        model = after(next, answered).0;
    }
    assert!((40..=50).contains(&looks), "{looks}");
    assert!(asked <= 100, "{asked}");
    let (_, effects) = after(model, (10_000..11_000).step_by(100).map(Message::Tick));
    let looks = effects.iter().filter(|effect| **effect == Effect::Look).count();
    assert_eq!(looks, 1, "one look at a time, and it has not been answered");
}

#[test]
fn a_lost_application_is_asked_ever_more_rarely_and_found_again() {
    let (mut model, mut waits, mut before) = (model(shop()), Vec::new(), 0);
    for own in (1000..60_000).step_by(100) {
        let (next, effects) = after(model, [Message::Tick(own)]);
        model = next;
        if effects.contains(&Effect::Look) {
            waits.push((own - before) / 1000);
            before = own;
            model = after(model, [lost()]).0;
        }
    }
    assert_eq!(waits, [1, 1, 2, 4, 8, 8, 8, 8, 8, 8], "{waits:?}");
    let ended = Message::Ended(Trouble { text: "it broke".to_owned(), is_refusal: false });
    let found = Message::Looked(Ok(Look { application: None, now: None }));
    let (model, effects) = after(model, [ended, found]);
    assert_eq!((&model.link, &model.stream), (&Link::Up, &Stream::Open));
    assert_eq!(effects, [Effect::Listen]);
}

#[test]
fn who_may_not_hear_events_still_sees_services() {
    let refused =
        Trouble { text: "Unauthenticated: a token is needed".to_owned(), is_refusal: true };
    let (model, _) = after(model(shop()), [Message::Ended(refused)]);
    let (model, effects) = after(model, (0..5000).step_by(100).map(Message::Tick));
    assert!(!effects.contains(&Effect::Listen), "a refusal is not asked again at once");
    let (_, effects) = after(model, [Message::Tick(10_000)]);
    assert!(effects.contains(&Effect::Listen), "the next process may have another token");
}

#[test]
fn an_answer_about_another_service_is_not_shown() {
    let (model, effects) = after(model(shop()), [Message::Tick(100)]);
    let first = "a_service_with_a_very_long_name_indeed";
    assert!(effects.contains(&Effect::Read(Pane::Why, first.to_owned())), "{effects:?}");
    let late = text(Pane::Why, first, &["late"]);
    let (model, _) = after(model, keys("j").into_iter().chain([late]));
    assert!(!screen(&model, 80, 24).contains("late"));
    let (_, effects) = after(model, [Message::Tick(200)]);
    assert!(effects.contains(&Effect::Read(Pane::Why, "api".to_owned())), "{effects:?}");
}

#[test]
fn the_selection_stays_on_its_service() {
    let (model, _) = after(model(shop()), keys("jo"));
    assert_eq!(model.selected.as_deref(), Some("api"));
    let mut gone = shop();
    gone["services"].as_object_mut().unwrap().remove("api");
    let application = Some(serde_json::from_value(gone).unwrap());
    let look = Message::Looked(Ok(Look { application, now: None }));
    assert_eq!(after(model, [look]).0.selected.as_deref(), Some("store"), "who is in trouble");
}
