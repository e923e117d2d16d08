//! What somebody meant who asks for what there is not: told with the line to write.

use std::sync::{Arc, Mutex};

use processpype::config::Format;
use processpype::{Application, Config, Context, Dep, Service, Shared};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Plain, assert_golden, texts};

trait Store: Send + Sync {}

/// Asserts what `check` says about an application.
#[track_caller]
fn check(name: &str, app: Application) {
    let error = app.environment([]).check().expect_err("something is wrong");
    assert_golden(&format!("setup/{name}.txt"), &format!("{error}\n"));
}

#[test]
fn a_pointer_or_the_other_way_to_share_was_meant() {
    let app = Application::new()
        .service(|| Plain)
        .provide(7_u8)
        .provide(Arc::new(Mutex::new(7_u16)))
        .task("value", async |_: Dep<u8>| Ok(()))
        .task("arc", async |_: Dep<Arc<dyn Store>>| Ok(()))
        .task("boxed", async |_: Dep<Box<Plain>>| Ok(()))
        .task("service", async |_: Shared<Plain>| Ok(()))
        .task("shared", async |_: Shared<Mutex<u16>>| Ok(()))
        .task("twice", async |_: Shared<Arc<u8>>| Ok(()))
        .task("behind", async |_: Shared<dyn Store>| Ok(()));
    check("meant", app);
}

#[test]
fn who_replaces_nobody_is_told_who_could_be_meant() {
    let app = || Application::new().service(|| Plain).task("mailer", async || Ok(()));
    check("replaced", app().replace("mailr", || Plain).replace("x", || Plain));
    check("replaced-nobody", Application::new().replace("plain", || Plain));
}

#[tokio::test(start_paused = true)]
async fn a_service_in_the_place_of_another_has_its_name_and_nothing_else() -> processpype::Result {
    let (old, fake) = (crate::harness::well_behaved(), crate::harness::well_behaved());
    let app = Application::new()
        .service(|| Plain)
        .service(old.service())
        .named("store")
        .depends_on("plain")
        .autostart(false)
        .task("user", async |cx: Context| {
            cx.stopping().await;
            Ok(())
        })
        .depends_on("store")
        .replace("store", fake.service())
        .replace("plain", || Plain)
        .autostart(false);
    let app = processpype::testing::start(app).await?;
    let is_ready = |name| app.manager().status(name).is_some_and(|status| status.ready);
    assert_eq!(["plain", "store", "user"].map(is_ready), [false, true, true]);
    assert_eq!((old.calls().len(), fake.calls().len()), (0, 3));
    Ok(())
}

#[derive(Deserialize, JsonSchema)]
struct Nothing;

#[derive(Deserialize, JsonSchema)]
enum Word {
    One,
    Two,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
enum Form {
    One { a: u8 },
    Two { b: u8 },
}

#[test]
fn a_configuration_that_is_no_map_is_refused_where_it_is_registered() {
    let app = Application::new()
        .task("number", async |_: Config<u64>| Ok(()))
        .task("nothing", async |_: Config<Nothing>| Ok(()))
        .task("word", async |_: Config<Word>| Ok(()))
        .set("services.number.enabled=true");
    check("no-map", app);
    let free = async |_: Config<std::collections::BTreeMap<String, u8>>| Ok(());
    let form = async |_: Config<Form>| Ok(());
    let app = Application::new().task("free", free).task("form", form);
    let app = app.set("services.free.a=1").set("services.form.One.a=1").environment([]);
    assert!(app.check().is_ok(), "both are maps");
}

#[tokio::test(start_paused = true)]
async fn a_type_of_an_async_test_has_a_name() -> processpype::Result {
    struct FakeStore;
    impl Service for FakeStore {}

    let app = processpype::testing::start(Application::new().service(|| FakeStore)).await?;
    let names = app.manager().names();
    assert_eq!(texts(&names), ["fake_store"]);
    assert!(app.manager().status(&names[0]).is_some_and(|status| status.ready));
    Ok(())
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Colliding {
    enabled: String,
    restart: u8,
    host: String,
}

/// The file's writer can mend nothing of it, whatever the sections say.
#[test]
fn a_field_with_a_frameworks_name_is_the_authors_mistake_alone() {
    let app = || {
        let app = Application::new().service(|_: Config<Colliding>| Plain);
        app.kind("colliding", |_: Config<Colliding>| Plain)
    };
    check("collision", app());
    let file = "services:\n  plain: {enabled: often, restart: 3}\n  \
                other: {kind: colliding, enabled: often, stop_timeout: 2h, needs: y}\n  \
                third: {kind: coliding}\n";
    check("collision-in-file", app().config_text("app.yaml", Format::Yaml, file));
}

struct Cache<T>(std::marker::PhantomData<T>);

impl<T: Send + Sync + 'static> Service for Cache<T> {}

trait Names {
    fn name() -> Application;
}

impl Names for Cache<u8> {
    fn name() -> Application {
        struct MailQueue;
        impl Service for MailQueue {}
        Application::new().service(|| MailQueue)
    }
}

#[test]
fn a_type_without_a_name_of_its_own_needs_one_wherever_it_is_defined() {
    let cache = || Cache::<Vec<u8>>(std::marker::PhantomData);
    check("generic", Application::new().service(cache));
    let app = Cache::<u8>::name().set("services.mail_queue.enabled=false").environment([]);
    app.check().expect("where a type is defined is of no account");
}
