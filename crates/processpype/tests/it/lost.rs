//! What is told as missing beside services that could not be made: all that none of them can be.

use processpype::config::Format;
use processpype::{Application, Dep, Service};

use crate::harness::{Plain, assert_golden};

#[track_caller]
fn check(name: &str, app: Application) {
    let error = app.check().expect_err("something is wrong");
    assert_golden(&format!("setup/{name}.txt"), &format!("{error}\n"));
}

struct Store;
impl Service for Store {}

struct Cache;
impl Service for Cache {}

#[test]
fn what_a_service_with_a_wrong_kind_cannot_have_been_is_told_beside_it() {
    let yaml = "services:
  cash: {kind: chache}
  web: {kind: plain, depends_on: [cash, nobody]}
groups:
  all: {strategy: one-for-all, members: [cash, web, another]}
";
    let app = Application::new()
        .environment([])
        .config_text("app.yaml", Format::Yaml, yaml)
        .kind("plain", || Plain)
        .kind("cache", || Cache)
        .service(|_: Dep<Store>| Plain)
        .named("needs-store")
        .service(|_: Dep<Cache>| Plain)
        .named("needs-cache");
    check("lost", app);
}

#[test]
fn what_a_service_without_a_good_name_may_be_is_not_told_as_missing() {
    let app = Application::new()
        .environment([])
        .service(|| Store)
        .named("My Store")
        .service(|_: Dep<Store>| Plain)
        .depends_on("My Store")
        .service(|_: Dep<Cache>| Plain)
        .named("other")
        .depends_on("nobody");
    check("lost-in-code", app);
}
