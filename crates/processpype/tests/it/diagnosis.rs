//! Services say what is wrong with them when somebody asks.

use std::time::Duration;

use processpype::bounds::{DIAGNOSE_TIME, FINDINGS_MAX};
use processpype::{Application, Context, Finding, Service};

/// Finds something, panics, or takes its time.
struct Sick(&'static str);

impl Service for Sick {
    async fn diagnose(&self, cx: &Context) -> Vec<Finding> {
        match self.0 {
            "well" => Vec::new(),
            "panics" => panic!("of all things"),
            "slow" => {
                tokio::time::sleep(DIAGNOSE_TIME * 2).await;
                Vec::new()
            }
            "many" => vec![Finding::warning("many", "x".repeat(5000), "y"); FINDINGS_MAX + 1],
            name => vec![Finding::problem("sick", format!("{name} of {}", cx.name()), "a doctor")],
        }
    }
}

fn codes(found: &[(processpype::ServiceName, Vec<Finding>)]) -> Vec<(String, Vec<&'static str>)> {
    let codes = |all: &[Finding]| all.iter().map(|it| it.code).collect();
    found.iter().map(|(name, all)| (name.to_string(), codes(all))).collect()
}

#[tokio::test(start_paused = true)]
async fn each_service_is_asked_once_and_none_holds_up_the_others() {
    let app = Application::new()
        .service(|| Sick("well"))
        .named("a-well")
        .service(|| Sick("flu"))
        .named("b-flu")
        .service(|| Sick("panics"))
        .named("c-panics")
        .service(|| Sick("slow"))
        .named("d-slow")
        .service(|| Sick("stopped"))
        .named("e-stopped")
        .autostart(false);
    let running = app.environment([]).without_server().start().await.expect("it starts");
    let manager = running.manager();
    let begun = tokio::time::Instant::now();
    let found = manager.diagnose(None).await.expect("it answers");
    assert!(begun.elapsed() <= DIAGNOSE_TIME + Duration::from_secs(1), "{:?}", begun.elapsed());
    let expected = [
        ("b-flu".to_owned(), vec!["sick"]),
        ("c-panics".to_owned(), vec!["diagnose-panicked"]),
        ("d-slow".to_owned(), vec!["no-answer"]),
    ];
    assert_eq!(codes(&found), expected);
    assert_eq!(found[0].1[0].message, "flu of b-flu");
    assert_eq!(found[1].1[0].message, "`diagnose` panicked; the log has the details");
    // Nothing has become of it.
    for name in ["a-well", "b-flu", "c-panics", "d-slow"] {
        let status = manager.status(name).expect("it is there");
        assert!(status.ready && status.generation.0 == 1, "{status:?}");
    }
    assert_eq!(codes(&manager.diagnose(Some("b-flu")).await.expect("it answers")).len(), 1);
    assert!(manager.diagnose(Some("nobody")).await.is_err());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn findings_are_bounded_and_a_stop_does_not_wait_for_them() {
    let app = Application::new()
        .service(|| Sick("many"))
        .named("many")
        .service(|| Sick("slow"))
        .named("slow");
    let running = app.environment([]).without_server().start().await.expect("it starts");
    let manager = running.manager().clone();
    let found = manager.diagnose(Some("many")).await.expect("it answers");
    assert_eq!((found[0].1.len(), found[0].1[0].message.len()), (FINDINGS_MAX, 1024));
    let asking = manager.diagnose(Some("slow"));
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let begun = tokio::time::Instant::now();
        manager.stop("slow").await.expect("it stops");
        begun.elapsed()
    };
    let (found, took) = tokio::join!(asking, stopping);
    assert!(found.expect("it answers").is_empty(), "it has stopped");
    assert!(took < Duration::from_secs(1), "{took:?}");
    running.stop().await;
}
