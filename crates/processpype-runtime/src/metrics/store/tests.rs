//! What belongs to the service, what to its generation, and what is refused.

use super::*;
use crate::metrics::Metrics;

fn store() -> Store {
    Store::new(Arc::default())
}

fn labels(value: &str) -> Vec<(String, String)> {
    vec![("queue".to_owned(), value.to_owned())]
}

/// What is seen while `alive` lives: each series with its number.
fn seen(store: &Store, alive: u64) -> Vec<(String, f64)> {
    let families = store.read(Some(Generation(alive)));
    let number = |series: &Series| match &series.reading {
        Reading::Number(number) => *number,
        Reading::Histogram { count, .. } => *count as f64,
    };
    let all = families.iter().flat_map(|family| {
        family.series.iter().map(|series| (family.name.clone(), number(series)))
    });
    all.collect()
}

#[test]
fn a_counter_goes_on_and_a_gauge_begins_anew() {
    let store = store();
    for generation in [1, 2] {
        let generation = Generation(generation);
        store.counter(generation, "a_total", "", &[]).unwrap().inc();
        store.gauge(generation, "depth", "", &[]).unwrap().inc();
        let times = store.histogram(generation, "t_seconds", "", &[], Buckets::TIMES).unwrap();
        times.observe(1.0);
    }
    let of = |a: f64, rest: &[(&str, f64)]| {
        let all = [("a_total", a)].into_iter().chain(rest.iter().copied());
        all.map(|(name, number)| (name.to_owned(), number)).collect::<Vec<_>>()
    };
    assert_eq!(seen(&store, 2), of(2.0, &[("depth", 1.0), ("t_seconds", 2.0)]));
    assert_eq!(seen(&store, 3), of(2.0, &[("t_seconds", 2.0)]), "the next one has not said");
    assert!(store.read(None).iter().all(|family| family.kind != Kind::Gauge), "nobody lives");
}

#[test]
fn what_an_old_generation_sets_is_not_seen() {
    let store = store();
    let old = store.gauge(Generation(1), "depth", "", &[]).unwrap();
    store.gauge(Generation(2), "depth", "", &[]).unwrap().set(2.0);
    old.set(9.0);
    store.gauge(Generation(1), "depth", "", &[]).unwrap().set(9.0);
    assert_eq!(seen(&store, 2), [("depth".to_owned(), 2.0)]);
}

#[test]
fn the_same_series_is_registered_once() {
    let store = store();
    for value in ["a", "b", "a"] {
        store.counter(Generation(1), "a_total", "", &labels(value)).unwrap().inc();
        store.gauge(Generation(1), "depth", "", &labels(value)).unwrap().inc();
    }
    let expected = [("a_total", 2.0), ("a_total", 1.0), ("depth", 2.0), ("depth", 1.0)];
    assert_eq!(seen(&store, 1), expected.map(|(name, number)| (name.to_owned(), number)));
}

#[test]
fn a_name_has_one_kind_in_the_whole_application() {
    let families: Arc<Families> = Arc::default();
    let (one, other) = (Store::new(Arc::clone(&families)), Store::new(families));
    one.gauge(Generation(1), "depth", "First.", &[]).unwrap();
    let refused = other.histogram(Generation(1), "depth", "", &[], Buckets::TIMES).unwrap_err();
    assert_eq!(refused, MetricError::Conflict { name: "depth".to_owned(), is: Kind::Gauge });
    other.gauge(Generation(1), "depth", "Second.", &[]).unwrap();
    assert_eq!(other.read(Some(Generation(1)))[0].help, "First.");
}

#[track_caller]
fn check_clash(first: (&str, Kind), second: (&str, Kind), expected: Option<&str>) {
    for [(one, kind), (other, others)] in [[first, second], [second, first]] {
        let families = Families::default();
        families.take(one, kind, "").unwrap();
        let both = match families.take(other, others, "") {
            Ok(()) => None,
            Err(MetricError::Clash { both, other, .. }) if other == one => Some(both),
            Err(error) => panic!("{one} {other}: {error}"),
        };
        assert_eq!(both.as_deref(), expected, "{one} {other}");
        families.take(one, kind, "").expect("it is there");
    }
}

#[test]
fn no_name_in_an_exposition_is_of_two_metrics() {
    use Kind::{Counter, Gauge, Histogram};
    check_clash(("jobs", Gauge), ("jobs_total", Counter), Some("jobs"));
    check_clash(("jobs", Histogram), ("jobs_total", Counter), Some("jobs"));
    check_clash(("wait", Histogram), ("wait_sum_total", Counter), Some("wait_sum"));
    check_clash(("wait", Histogram), ("wait_bucket_total", Counter), Some("wait_bucket"));
    check_clash(("a_total", Counter), ("a_total_total", Counter), Some("a_total"));
    check_clash(("a_total", Counter), ("a_created_total", Counter), Some("a_created"));
    check_clash(("jobs_waiting", Gauge), ("jobs_total", Counter), None);
    check_clash(("jobs", Gauge), ("jobs_waiting", Histogram), None);
    check_clash(("jobs", Gauge), ("jobs_info_total", Counter), None);
}

#[test]
fn a_secret_in_a_label_or_a_help_text_does_not_show() {
    let scrub = Scrub::new(|text| text.replace("hunter2", "***"));
    let store = Arc::new(Store::new(Arc::new(Families::new(scrub))));
    let metrics = Metrics { store, generation: Generation(1), labels: Vec::new() };
    for url in ["db://u:hunter2@a", "db://u:***@a"] {
        let metrics = metrics.with("url", url).unwrap();
        metrics.counter("calls_total", "With hunter2.").unwrap().inc();
    }
    let families = metrics.store.read(None);
    assert_eq!((families.len(), families[0].help.as_str()), (1, "With ***."));
    let [series] = &families[0].series[..] else { panic!("{families:?}") };
    assert_eq!(series.labels, [("url".to_owned(), "db://u:***@a".to_owned())]);
    assert_eq!(series.reading, Reading::Number(2.0));
}

#[test]
fn other_buckets_are_for_the_next_generation() {
    let store = store();
    let other = || Buckets::new(vec![1.0]).unwrap();
    let histogram = |generation, buckets| {
        store.histogram(Generation(generation), "t_seconds", "", &[], buckets)
    };
    histogram(1, Buckets::TIMES).unwrap().observe(1.0);
    assert!(histogram(1, other()).is_err());
    assert_eq!(histogram(2, other()).unwrap().count(), 0);
    assert!(histogram(1, Buckets::TIMES).is_err(), "it is the newer one's");
    assert_eq!(seen(&store, 2), [("t_seconds".to_owned(), 0.0)]);
}

#[test]
fn series_are_bounded() {
    let store = store();
    let take = |generation, at: usize| {
        store.gauge(Generation(generation), "depth", "", &labels(&at.to_string())).map(drop)
    };
    let weight = Buckets::TIMES.bounds().len() + 3;
    store.histogram(Generation(1), "t_seconds", "", &[], Buckets::TIMES).unwrap();
    (0..SERIES_MAX - weight).for_each(|at| take(1, at).unwrap());
    assert_eq!(take(1, SERIES_MAX), Err(MetricError::Series { name: "depth".to_owned() }));
    take(1, 0).expect("one that is there is no other one");
    take(2, SERIES_MAX).expect("the gauges of the last generation make room");
}

#[test]
fn names_are_bounded() {
    let store = Store::new(Arc::default());
    for at in 0..FAMILIES_MAX {
        store.families.take(&format!("m{at}"), Kind::Gauge, "").unwrap();
    }
    let refused = store.gauge(Generation(1), "other", "", &[]).unwrap_err();
    assert_eq!(refused, MetricError::Families { name: "other".to_owned() });
}

#[test]
fn a_name_is_free_again_with_the_last_series_that_has_it() {
    let families = Arc::<Families>::default();
    let names = |families: &Families| {
        let names = families.lock();
        (names.families.keys().cloned().collect::<Vec<_>>(), names.told.len())
    };
    let store = || Store::new(Arc::clone(&families));
    let (one, other, first, later) = (store(), store(), Generation(1), Generation(2));
    for store in [&one, &other, &one] {
        store.counter(first, "a_total", "", &labels("x")).unwrap();
        store.counter(first, "a_total", "", &labels("y")).unwrap();
        store.histogram(first, "t_seconds", "", &[], Buckets::TIMES).unwrap();
    }
    one.gauge(first, "depth", "", &[]).unwrap();
    one.gauge(first, "height", "", &[]).unwrap();
    let few = Buckets::new(vec![1.0]).unwrap();
    assert!(one.histogram(first, "t_seconds", "", &[], few.clone()).is_err());
    one.histogram(later, "t_seconds", "", &[], few).unwrap();
    one.gauge(later, "depth", "", &[]).unwrap();
    one.gauge(first, "width", "", &[]).unwrap();
    assert_eq!(names(&families).0, ["a_total", "depth", "t_seconds"]);
    for number in 0..SERIES_MAX {
        let _ = one.counter(later, "many_total", "", &labels(&number.to_string()));
    }
    assert!(one.counter(later, "more_total", "", &[]).is_err(), "it has no place for it");
    drop(one);
    assert_eq!(names(&families).0, ["a_total", "t_seconds"]);
    drop(other);
    assert_eq!(names(&families), (Vec::new(), 0));
    // Who comes after them may call something else so.
    store().gauge(first, "a_total", "", &[]).unwrap();
}

#[test]
fn who_comes_and_goes_takes_no_names_along() {
    let families = Arc::<Families>::default();
    for number in 0..=FAMILIES_MAX {
        let store = Store::new(Arc::clone(&families));
        store.counter(Generation(1), &format!("n{number}_total"), "", &[]).unwrap();
    }
}
