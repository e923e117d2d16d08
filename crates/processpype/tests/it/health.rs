//! What services say about themselves, and who hears it.

use processpype::testing::{self, TestApp};
use processpype::{Application, Context, Dep, Result, Service, ServiceState};
use tokio::time::Instant;

use crate::harness::{Plain, assert_history, last_error, millis, secs, tales, texts};

/// Says something every second of its life.
struct Talker;

impl Service for Talker {
    async fn start(&self, cx: &Context) -> Result {
        cx.ready(false);
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        let steps: [fn(&Context); 6] = [
            |cx| cx.ready(true),
            |cx| cx.degraded("cache is cold"),
            |cx| cx.set_error("disk is full"),
            |cx| cx.set_metadata("rows", "42"),
            Context::recovered,
            |cx| cx.ready(false),
        ];
        for step in steps {
            if !cx.sleep(secs(1)).await {
                return Ok(());
            }
            step(cx);
        }
        cx.stopping().await;
        Ok(())
    }
}

async fn talker() -> TestApp {
    let app = Application::new().service(|| Talker).service(|| Plain).named("user");
    testing::start(app.depends_on("talker")).await.expect("the plan is good")
}

#[tokio::test(start_paused = true)]
async fn dependents_start_when_the_provider_says_that_it_is_ready() {
    let app = talker().await;
    assert_eq!(app.manager().state("talker"), Some(ServiceState::Running));
    let waiting = app.manager().status("user").expect("it is there");
    assert_eq!(waiting.state, ServiceState::Stopped);
    assert_eq!(texts(&waiting.waiting_on), ["talker"]);
    assert_eq!(app.get("/health/ready").await.status(), 503);
    tokio::time::sleep(secs(2)).await;
    assert_eq!(app.get("/health/ready").await.status(), 200);
    assert_history(
        &app,
        &[
            "talker: stopped → starting (boot)",
            "talker: starting → running (progress)",
            "user: stopped → starting (dependency-ready)",
            "user: starting → running (progress)",
        ],
    );
    tokio::time::sleep(secs(8)).await;
    assert_eq!(app.manager().state("user"), Some(ServiceState::Running), "hold is the default");
}

#[tokio::test(start_paused = true)]
async fn a_handle_gives_who_says_that_it_is_not_ready_and_its_wait_does_not() {
    let user = async |cx: Context, talker: Dep<Talker>| {
        cx.sleep(secs(6)).await;
        let (is_there, began) = (talker.get().is_ok(), Instant::now());
        talker.wait().await?;
        cx.set_metadata("told", format!("{is_there} {:?}", began.elapsed()));
        cx.stopping().await;
        Ok(())
    };
    let app = Application::new().service(|| Talker).task("user", user);
    let app = testing::start(app).await.expect("the plan is good");
    // It is ready after one second of its life, and after six no more.
    tokio::time::sleep(secs(8)).await;
    let status = |name| app.manager().status(name).expect("it is there");
    assert_eq!((status("talker").state, status("talker").ready), (ServiceState::Running, false));
    assert_eq!(status("user").metadata.get("told"), None, "it waits");
    app.manager().restart("talker").await.expect("it restarts");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(status("user").metadata["told"], "true 2s");
}

#[tokio::test(start_paused = true)]
async fn who_has_done_its_work_makes_nobody_unready() {
    let app = Application::new().task("job", async |cx: Context| {
        cx.sleep(secs(1)).await;
        Ok(())
    });
    let app = testing::start(app.oneshot()).await.expect("the plan is good");
    tokio::time::sleep(secs(2)).await;
    let job = app.manager().status("job").expect("it is there");
    assert_eq!((job.state, job.completed, job.ready), (ServiceState::Stopped, true, false));
    assert_eq!(app.get("/health/ready").await.status(), 200);
}

/// Is not ready until its loop begins, which is in the same moment.
struct Prompt;

impl Service for Prompt {
    async fn start(&self, cx: &Context) -> Result {
        cx.ready(false);
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        cx.ready(true);
        cx.stopping().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_before_the_supervisor_has_heard_of_the_start_counts() {
    let app = testing::start(Application::new().service(|| Prompt)).await.expect("it starts");
    assert!(app.manager().status("prompt").expect("it is there").ready);
    assert_eq!(app.get("/health/ready").await.status(), 200);
}

/// Regression: the event came after the start that followed from it.
#[tokio::test(start_paused = true)]
async fn a_provider_is_told_to_be_ready_before_its_dependent_starts_and_no_end_is_told_twice() {
    let app = talker().await;
    tokio::time::sleep(millis(1500)).await;
    let manager = app.manager().clone();
    app.stop().await;
    let events = manager.events(0, usize::MAX).events;
    let about = |event: &std::sync::Arc<processpype::Event>| {
        let (service, to) = (event.service.as_ref()?, event.to.map_or("", ServiceState::as_str));
        Some(format!("{service} {} {to}", event.cause))
    };
    let told: Vec<String> = events.iter().filter_map(about).collect();
    assert_eq!(
        told,
        [
            "talker boot starting",
            "talker progress running",
            "talker ready ",
            "user dependency-ready starting",
            "user progress running",
            "user closing stopping",
            "user stopped stopped",
            "talker closing stopping",
            "talker stopped stopped",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_change_is_an_event_and_stands_in_the_status() {
    let app = talker().await;
    let status = || app.manager().status("talker").expect("it is there");
    assert!(!status().ready);
    tokio::time::sleep(secs(4)).await;
    assert!(status().ready);
    assert_eq!(status().degraded.as_deref(), Some("cache is cold"));
    assert_eq!(last_error(&app, "talker"), "reported: disk is full");
    assert!(status().error.is_some());
    tokio::time::sleep(secs(10)).await;
    assert!(!status().ready && status().degraded.is_none() && status().error.is_none());
    assert_eq!(status().metadata["rows"], "42");
    assert_eq!(
        tales(&app),
        [
            "talker: health ready",
            "talker: health degraded (cache is cold)",
            "talker: health reported (disk is full)",
            "talker: health recovered",
            "talker: health unready",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_generation_said_does_not_outlive_it() {
    let app = talker().await;
    tokio::time::sleep(secs(4)).await;
    app.manager().stop("talker").await.expect("it stops");
    let status = app.manager().status("talker").expect("it is there");
    assert_eq!((status.degraded.as_deref(), status.error.as_ref()), (None, None));
    assert_eq!(last_error(&app, "talker"), "reported: disk is full");
    app.manager().start("talker").await.expect("it starts");
    tokio::time::sleep(secs(6)).await;
    app.manager().restart("talker").await.expect("it restarts");
    let status = app.manager().status("talker").expect("it is there");
    assert!(status.metadata.is_empty(), "{:?}", status.metadata);
}

#[tokio::test(start_paused = true)]
async fn texts_and_metadata_are_bounded() {
    let task = async |cx: Context| {
        cx.degraded("ü".repeat(5000));
        (0..1000).for_each(|i| cx.set_metadata(format!("key{i}"), "value"));
        cx.stopping().await;
        Ok(())
    };
    let app = testing::start(Application::new().task("chatty", task)).await.expect("it starts");
    tokio::time::sleep(secs(1)).await;
    let status = app.manager().status("chatty").expect("it is there");
    assert_eq!(status.metadata.len(), 64);
    assert_eq!(status.degraded.as_ref().map(String::len), Some(1024));
}
