//! Reading metrics in Prometheus' text format 0.0.4, strictly.

use std::collections::{BTreeMap, BTreeSet};

use processpype_core::{SortedMap, sort};

use super::{InvalidExposition, MetricFamily, MetricKind, MetricSample};

/// Reads metrics in Prometheus' text format 0.0.4.
///
/// ```
/// use processpype_api::parse_exposition;
///
/// let families = parse_exposition("# HELP up Is it?\n# TYPE up gauge\nup{a=\"b\"} 1\n")?;
/// assert_eq!(families[0].samples[0].label("a"), Some("b"));
/// assert!(parse_exposition("# TYPE up gauge\nup 1\nup 2\n").is_err(), "a series stands twice");
/// # Ok::<(), processpype_api::InvalidExposition>(())
/// ```
///
/// # Errors
///
/// Says what is wrong in which line: names and labels against the rules, unknown escapes, a family
/// in two places or with two types, a series that stands twice, a counter below zero, a histogram
/// whose parts do not agree, a last line that does not end.
pub fn parse_exposition(text: &str) -> Result<Vec<MetricFamily>, InvalidExposition> {
    let mut reader = Reader::default();
    let last = text.lines().count();
    for (at, line) in text.lines().enumerate() {
        reader.line(line).map_err(|what| InvalidExposition { line: at + 1, what })?;
    }
    let whole = || match text.is_empty() || text.ends_with('\n') {
        true => reader.families.iter().try_for_each(check_family),
        false => Err("the last line has no end".to_owned()),
    };
    whole().map_err(|what| InvalidExposition { line: last, what })?;
    Ok(reader.families)
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reader {
    families: Vec<MetricFamily>,
    /// Which families there were, and what of their head was told.
    heads: SortedMap<String, Head>,
    series: BTreeSet<(String, Labels)>,
}

#[derive(Debug, Default)]
struct Head {
    help: bool,
    kind: bool,
}

// === impl Reader ===

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(comment) = line.strip_prefix('#') {
            let comment = comment.trim_start();
            if let Some(rest) = comment.strip_prefix("HELP ") {
                return self.help(rest);
            }
            return comment.strip_prefix("TYPE ").map_or(Ok(()), |rest| self.kind(rest));
        }
        if line.trim().is_empty() { Ok(()) } else { self.sample(line) }
    }

    fn help(&mut self, rest: &str) -> Result<(), String> {
        let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
        let help = unescape(help, false)?;
        let (family, head) = self.open(name)?;
        if std::mem::replace(&mut head.help, true) {
            return Err(format!("`{name}` has a second HELP"));
        }
        family.help = help;
        Ok(())
    }

    fn kind(&mut self, rest: &str) -> Result<(), String> {
        let (name, word) = rest.split_once(' ').ok_or("a TYPE without a type")?;
        let kind = match word.trim_end() {
            "counter" => MetricKind::Counter,
            "gauge" => MetricKind::Gauge,
            "histogram" => MetricKind::Histogram,
            "untyped" => MetricKind::Untyped,
            other => return Err(format!("`{other}` is no type that is known here")),
        };
        let (family, head) = self.open(name)?;
        if std::mem::replace(&mut head.kind, true) {
            return Err(format!("`{name}` has a second TYPE"));
        }
        family.kind = kind;
        Ok(())
    }

    /// Returns the family whose head goes on, or begins a new one.
    fn open(&mut self, name: &str) -> Result<(&mut MetricFamily, &mut Head), String> {
        check_name(name)?;
        let goes_on = self.families.last().is_some_and(|family| family.name == name);
        if goes_on {
            if self.families.last().is_some_and(|family| !family.samples.is_empty()) {
                return Err(format!("the head of `{name}` comes after its samples"));
            }
        } else if self.heads.contains_key(name) {
            return Err(format!("`{name}` stands in two places"));
        } else {
            let (name, kind) = (name.to_owned(), MetricKind::Untyped);
            self.families.push(MetricFamily { name, kind, help: String::new(), samples: vec![] });
        }
        let family = self.families.last_mut().ok_or("no family")?;
        Ok((family, self.heads.get_or_insert_with(name.to_owned(), Head::default)))
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ', '\t']).ok_or("a sample without a value")?;
        let (name, rest) = line.split_at(end);
        check_name(name)?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_whitespace();
        let value = number(words.next().ok_or("a sample without a value")?)?;
        if words.next().is_some_and(|time| time.parse::<i64>().is_err()) || words.next().is_some() {
            return Err("something stands after the value that is no time".to_owned());
        }
        let mut key = labels.clone();
        sort(&mut key);
        if !self.series.insert((name.to_owned(), key)) {
            return Err(format!("a series of `{name}` stands twice"));
        }
        let is_own = self.families.last().is_some_and(|family| belongs(family, name));
        if !is_own {
            self.open(name)?;
        }
        let family = self.families.last_mut().ok_or("no family")?;
        if family.kind == MetricKind::Counter && (value.is_nan() || value < 0.0) {
            return Err(format!("the counter `{name}` is below zero or no number"));
        }
        family.samples.push(MetricSample { name: name.to_owned(), labels, value });
        Ok(())
    }
}

fn belongs(family: &MetricFamily, sample: &str) -> bool {
    match (family.kind, sample.strip_prefix(family.name.as_str())) {
        (MetricKind::Histogram, Some(suffix)) => ["_bucket", "_sum", "_count"].contains(&suffix),
        (_, suffix) => suffix == Some(""),
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" | "Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        text if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            text.parse().map_err(|_| format!("`{text}` is no number"))
        }
        text => Err(format!("`{text}` is no number")),
    }
}

/// Names of metrics and, without the colon, of labels.
fn check_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || "_:".contains(c));
    match begins && letters.all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)) {
        true => Ok(()),
        false => Err(format!("`{name}` is no name")),
    }
}

/// Names and values, in the order of the text.
type Labels = Vec<(String, String)>;

/// Reads labels up to the closing brace; returns what comes after it.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        check_name(name)?;
        if name.contains(':') || labels.iter().any(|(other, _)| other == name) {
            return Err(format!("the label `{name}` is no name, or stands twice"));
        }
        let end = closing_quote(after).ok_or("a label's value without an end")?;
        labels.push((name.to_owned(), unescape(&after[..end], true)?));
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.starts_with('}') => {}
            None => return Err("something stands between two labels".to_owned()),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let was_escaped = is_escaped;
        is_escaped = !was_escaped && character == '\\';
        (character == '"' && !was_escaped).then_some(at)
    })
}

fn unescape(text: &str, with_quotes: bool) -> Result<String, String> {
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        match (letter, (letter == '\\').then(|| letters.next())) {
            (letter, None) => plain.push(letter),
            (_, Some(Some('\\'))) => plain.push('\\'),
            (_, Some(Some('n'))) => plain.push('\n'),
            (_, Some(Some('"'))) if with_quotes => plain.push('"'),
            _ => return Err("an escape that is none".to_owned()),
        }
    }
    Ok(plain)
}

/// Checks what only a whole family shows: that the parts of its histograms agree.
fn check_family(family: &MetricFamily) -> Result<(), String> {
    if family.kind != MetricKind::Histogram {
        return Ok(());
    }
    let mut parts: BTreeMap<Labels, Parts> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.retain(|(name, _)| name != "le");
        sort(&mut labels);
        let parts = parts.entry(labels).or_default();
        match sample.name.strip_prefix(family.name.as_str()) {
            Some("_bucket") => {
                let bound = sample.label("le").ok_or("a bucket without `le`")?;
                parts.buckets.push((number(bound)?, sample.value));
            }
            Some("_sum") => parts.has_sum = true,
            _ => parts.count = Some(sample.value),
        }
    }
    match parts.values().all(Parts::agree) {
        true => Ok(()),
        false => Err(format!("the parts of the histogram `{}` do not agree", family.name)),
    }
}

/// The parts of one histogram.
#[derive(Debug, Default)]
struct Parts {
    buckets: Vec<(f64, f64)>,
    has_sum: bool,
    count: Option<f64>,
}

impl Parts {
    fn agree(&self) -> bool {
        let ascends = self.buckets.windows(2).all(|it| it[0].0 < it[1].0 && it[0].1 <= it[1].1);
        let last = self.buckets.last().copied();
        let is_whole = last.map(|(bound, _)| bound) == Some(f64::INFINITY);
        ascends && is_whole && self.has_sum && last.map(|(_, count)| count) == self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_would_not_take_is_an_error() {
        for (text, line, what) in [
            ("up 1", 1, "no end"),
            ("up\n", 1, "without a value"),
            ("1up 1\n", 1, "no name"),
            ("up one\n", 1, "no number"),
            ("up nan\n", 1, "no number"),
            ("up 1 later\n", 1, "no time"),
            ("up{a=b} 1\n", 1, "without a value"),
            ("up{a=\"b} 1\n", 1, "without an end"),
            ("up{a=\"b\"c=\"d\"} 1\n", 1, "between two labels"),
            ("up{a=\"b\",a=\"c\"} 1\n", 1, "stands twice"),
            ("up{a:b=\"c\"} 1\n", 1, "no name"),
            ("up{a=\"\\t\"} 1\n", 1, "an escape"),
            ("up 1\nup 2\n", 2, "stands twice"),
            ("up{a=\"1\",b=\"2\"} 1\nup{b=\"2\",a=\"1\"} 1\n", 2, "stands twice"),
            ("up 1\ndown 1\nup{a=\"b\"} 1\n", 3, "two places"),
            ("# TYPE up gouge\n", 1, "no type"),
            ("# TYPE up gauge\n# TYPE up gauge\n", 2, "second TYPE"),
            ("# HELP up a\n# HELP up b\n", 2, "second HELP"),
            ("up 1\n# TYPE up gauge\n", 2, "after its samples"),
            ("# TYPE a_total counter\na_total -1\n", 2, "below zero"),
            ("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n", 4, "agree"),
            ("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n", 4, "agree"),
            ("# TYPE h histogram\nh_bucket 1\n", 2, "without `le`"),
            ("# TYPE h histogram\nh 1\n", 2, "agree"),
        ] {
            let error = parse_exposition(text).expect_err(text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.what.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn times_comments_and_a_last_comma_are_taken() {
        let text = "# a comment\n\nup{a=\"b\",} 1 1795000000000\nx +Inf\n";
        let families = parse_exposition(text).unwrap();
        assert_eq!(families.len(), 2);
        assert_eq!(families[0].samples[0].labels, [("a".to_owned(), "b".to_owned())]);
        assert!(parse_exposition("").unwrap().is_empty());
    }
}
