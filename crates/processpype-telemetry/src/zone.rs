//! Time zones: found on the machine by their names, read by `tz-rs`.
//!
//! # Invariants
//!
//! 1. UTC needs no file.
//! 2. A name leads to a file below the database's directories and to no other.

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tz::{TimeZone, TimeZoneSettings, UtcDateTime};

use crate::error::TelemetryError;

/// The name that stands for the zone of the machine.
const SYSTEM_ZONE: &str = "system";

/// What says which zone the machine has, for those who do not ask the environment.
const SYSTEM_FILE: &str = "/etc/localtime";

/// The directory above all names, wherever it is.
const DATABASE: &str = "zoneinfo/";

/// Directories below directories in a database that are searched: `America/Indiana/Knox` has two.
const DEPTH_MAX: usize = 4;

/// The zone in which people read the time.
///
/// ```
/// use processpype_telemetry::Timezone;
///
/// assert!(Timezone::named("UTC").is_ok());
/// assert!(Timezone::named("Europe/Rmoe").is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Timezone(Option<Arc<Zone>>);

/// A zone that is not UTC.
#[derive(PartialEq, Eq)]
struct Zone {
    name: Option<String>,
    rules: TimeZone,
}

// === impl Timezone ===

impl Timezone {
    /// Coordinated universal time, the default: lines of several machines compare by eye.
    pub const UTC: Self = Self(None);

    /// Looks a zone up by its IANA name, such as `Europe/Rome`.
    ///
    /// `UTC` needs no database; `system` is the zone of the machine: what `TZ` says, else
    /// `/etc/localtime`. The database is the directory in `TZDIR`, else where systems have it.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::UnknownTimezone`] with the nearest name,
    /// [`TelemetryError::NoTimezones`] when the machine has no database to look into, and
    /// [`TelemetryError::SystemTimezone`] when the machine does not know its own zone.
    pub fn named(name: &str) -> Result<Self, TelemetryError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::UTC);
        }
        if name.eq_ignore_ascii_case(SYSTEM_ZONE) {
            return Self::system().map_err(|reason| TelemetryError::SystemTimezone { reason });
        }
        let directories = directories();
        if let Some(zone) = find(&directories, name) {
            return Ok(zone);
        }
        let known = known(&directories);
        let same = known.iter().find(|known| known.eq_ignore_ascii_case(name));
        same.and_then(|same| find(&directories, same))
            .ok_or_else(|| TelemetryError::unknown_timezone(name, &known))
    }

    /// The name of the zone, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref().map_or(Some("UTC"), |zone| zone.name.as_deref())
    }

    /// The offset from UTC at an instant, both in seconds.
    pub(crate) fn offset(&self, second: i64) -> i32 {
        // No database has rules for times that no calendar has.
        let zone = self.0.as_ref().and_then(|zone| zone.rules.find_local_time_type(second).ok());
        zone.map_or(0, tz::LocalTimeType::ut_offset)
    }

    fn new(name: Option<String>, rules: TimeZone) -> Self {
        Self(Some(Arc::new(Zone { name, rules })))
    }

    /// The zone of the machine, or why it is not known.
    fn system() -> Result<Self, String> {
        match env::var_os("TZ").map(OsString::into_string) {
            Some(Ok(text)) if text.is_empty() => Ok(Self::UTC),
            Some(Ok(text)) => of_variable(&text),
            Some(Err(_)) => Err("TZ is no text".to_owned()),
            None => of_file(Path::new(SYSTEM_FILE)),
        }
    }
}

impl fmt::Debug for Timezone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timezone").field(&self.name().unwrap_or("unnamed")).finish()
    }
}

/// Splits an instant into a date and a time of day, as they are in a zone of this offset.
///
/// # Panics
///
/// Panics for years that have more digits than an `i32`.
pub(crate) fn civil(second: i64, offset: i32) -> UtcDateTime {
    UtcDateTime::from_timespec(second + i64::from(offset), 0).expect("the year is small")
}

/// A name, a file, or rules in short, as tzset(3) has them.
fn of_variable(text: &str) -> Result<Timezone, String> {
    let directories = directories();
    if let Some(zone) = find(&directories, text.strip_prefix(':').unwrap_or(text)) {
        return Ok(zone);
    }
    let settings = TimeZoneSettings::new(&[], TimeZoneSettings::DEFAULT_READ_FILE_FN);
    let rules =
        settings.parse_posix_tz(text).map_err(|error| format!("TZ is `{text}`: {error}"))?;
    Ok(Timezone::new(None, rules))
}

/// A file with rules, whose name is in where it leads to.
fn of_file(file: &Path) -> Result<Timezone, String> {
    let rules = fs::read(file).map_err(|error| error.to_string());
    let rules = rules.and_then(|it| TimeZone::from_tz_data(&it).map_err(|error| error.to_string()));
    let rules = rules.map_err(|error| format!("{}: {error}", file.display()))?;
    let target = fs::canonicalize(file).ok();
    let name = target.as_ref().and_then(|target| target.to_str()?.rsplit_once(DATABASE));
    Ok(Timezone::new(name.map(|(_, name)| name.to_owned()), rules))
}

/// Where the database may be, the first one first.
fn directories() -> Vec<PathBuf> {
    if let Some(directory) = env::var_os("TZDIR").filter(|it| !it.is_empty()) {
        return vec![directory.into()];
    }
    TimeZoneSettings::DEFAULT_DIRECTORIES.iter().map(PathBuf::from).collect()
}

/// Looks for a zone that is written exactly so.
fn find(directories: &[PathBuf], name: &str) -> Option<Timezone> {
    if !is_name(name) {
        return None;
    }
    let read =
        |directory: &PathBuf| TimeZone::from_tz_data(&fs::read(directory.join(name)).ok()?).ok();
    Some(Timezone::new(Some(name.to_owned()), directories.iter().find_map(read)?))
}

/// Whether a text can be the name of a zone: no way out of the database is one.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
    name.split('/').all(|part| !part.is_empty() && part.chars().all(is_plain))
}

/// The names that the first database there is has.
fn known(directories: &[PathBuf]) -> Vec<String> {
    let mut known = Vec::new();
    for directory in directories {
        collect(directory, "", DEPTH_MAX, &mut known);
        if !known.is_empty() {
            break;
        }
    }
    known
}

fn collect(directory: &Path, above: &str, depth: usize, known: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file = entry.file_name();
        // All zones begin with a capital; the database in other orders and its tables do not.
        let name = file.to_str().filter(|it| is_name(it) && it.starts_with(char::is_uppercase));
        let Some(name) = name.map(|name| format!("{above}{name}")) else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &format!("{name}/"), depth, known);
        } else {
            known.push(name);
        }
    }
}

#[cfg(test)]
impl Timezone {
    /// The zone of these rules, as `TZ` has them: they need no database.
    pub(crate) fn by_rules(rules: &str) -> Self {
        of_variable(rules).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The database of this machine. Without one a test says so, and that it was skipped.
    fn database() -> Option<PathBuf> {
        let has_rome = |directory: &PathBuf| directory.join("Europe/Rome").is_file();
        let database = directories().into_iter().find(has_rome);
        if database.is_none() {
            eprintln!("skipped: this machine has no time zones (tzdata)");
        }
        database
    }

    #[test]
    fn a_zone_is_found_by_its_name_however_that_is_written() {
        assert_eq!(Timezone::named("uTc").unwrap(), Timezone::UTC);
        assert_eq!(Timezone::UTC.name(), Some("UTC"));
        let Some(_) = database() else { return };
        let rome = Timezone::named("Europe/Rome").unwrap();
        assert_eq!(rome.name(), Some("Europe/Rome"));
        assert_eq!(rome.offset(0), 3_600);
        assert_eq!(rome, Timezone::named("europe/rome").unwrap());
        let knox = Timezone::named("america/indiana/knox").unwrap();
        assert_eq!(knox.name(), Some("America/Indiana/Knox"));
    }

    #[test]
    fn an_unknown_zone_names_the_nearest() {
        let known = ["Europe/Rome".to_owned()];
        let error = TelemetryError::unknown_timezone("Europe/Rmoe", &known).to_string();
        assert!(error.contains("did you mean `Europe/Rome`?"), "{error}");
        let error = TelemetryError::unknown_timezone("Europe/Rome", &[]).to_string();
        assert!(error.contains("tzdata"), "{error}");
        let Some(_) = database() else { return };
        let error = Timezone::named("Europe/Rmoe").unwrap_err().to_string();
        assert!(error.contains("did you mean `Europe/Rome`?"), "{error}");
    }

    #[test]
    fn no_name_leads_out_of_the_database() {
        for name in ["/etc/localtime", "../zoneinfo/Europe/Rome", "Europe//Rome", "", "zone.tab"] {
            assert!(Timezone::named(name).is_err(), "{name}");
        }
        assert!(known(&[PathBuf::from("/nowhere")]).is_empty());
    }

    #[test]
    fn the_names_are_those_of_the_first_database_there_is() {
        let Some(here) = database() else { return };
        let one = known(&[PathBuf::from("/nowhere"), here.clone()]);
        assert!(one.contains(&"Europe/Rome".to_owned()), "{} names", one.len());
        assert_eq!(known(&[here.clone(), here]).len(), one.len());
    }

    #[test]
    fn the_variable_has_rules() {
        check_rules("CET-1CEST,M3.5.0,M10.5.0/3");
        let error = of_variable("Nowhere/Land").unwrap_err();
        assert!(error.starts_with("TZ is `Nowhere/Land`: "), "{error}");
    }

    #[test]
    fn the_variable_is_a_name_or_a_file() {
        let Some(here) = database() else { return };
        let rome = Timezone::named("Europe/Rome").unwrap();
        for text in ["Europe/Rome", ":Europe/Rome"] {
            assert_eq!(of_variable(text).unwrap(), rome, "{text}");
        }
        check_rules(here.join("Europe/Rome").to_str().unwrap());
    }

    /// Rome, when it goes from +02:00 to +01:00.
    #[track_caller]
    fn check_rules(text: &str) {
        let zone = of_variable(text).unwrap();
        assert_eq!((zone.name(), zone.offset(1_792_889_999)), (None, 7_200), "{text}");
        assert_eq!(zone.offset(1_792_890_000), 3_600, "{text}");
    }

    #[test]
    fn the_file_of_the_machine_tells_its_name() {
        let error = of_file(Path::new("/nowhere/localtime")).unwrap_err();
        assert!(error.starts_with("/nowhere/localtime: "), "{error}");
        let Some(here) = database() else { return };
        let zone = of_file(&here.join("Asia/Kathmandu")).unwrap();
        assert_eq!((zone.name(), zone.offset(1_795_433_045)), (Some("Asia/Kathmandu"), 20_700));
    }
}
