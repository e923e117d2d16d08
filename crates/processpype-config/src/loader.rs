//! The builder of layers.
//!
//! # Invariants
//!
//! 1. The order is fixed: files as they were added, each followed by its profile file, then the
//!    environment, then `--set`. It does not depend on the order of the builder's other calls.
//! 2. Every layer is read even if an earlier one has problems, so one report has them all.
//! 3. Only [`Loader::process_environment`] looks at the process; the rest works on arguments.
//!
//! # The order of work
//!
//! 1. Read every layer into a tree of its own; each reader adds its problems and goes on.
//! 2. Merge the trees from low to high, so that what loses leaves its origin with what wins.
//! 3. Gather variables and flags into *one* tree on top, in the spelling of the keys that the files
//!    use, and lay it over the files once: a merge costs as much as the files are large, and there
//!    may be hundreds of variables.
//! 4. Tell all problems, or hand out the document. Values are not looked at yet: what a value
//!    should be is known to the type that reads it, not to the loader.
//!
//! # Why variables are not simply read where they are wanted
//!
//! A variable that names nothing is the misspelling that hurts most, since nobody sees it: the
//! application runs with the default. So names are checked while all of them are at hand. Only
//! variables that plainly mean us are held to it; `PROCESSPYPE_HOME` is somebody's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use processpype_core::{SortedMap, each};

use crate::collect::Problems;
use crate::limits::MAX_FILE_BYTES;
use crate::node::Node;
use crate::origin::Origin;
use crate::overlay::Stray;
use crate::report::{Problem, Report};
use crate::section::Document;
use crate::source::{At, Source};
use crate::{file, json, overlay, toml_tree, yaml};

/// The sections that variables and flags may name although no file has them.
const SECTIONS: [&str; 8] =
    ["app", "server", "observability", "secrets", "defaults", "groups", "services", "processpype"];

/// The notation of a text.
///
/// Files tell theirs by their name's ending; a text in memory is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// YAML 1.2, from `.yaml` and `.yml`.
    Yaml,
    /// TOML 1.0, from `.toml`.
    Toml,
    /// JSON, from `.json`.
    Json,
}

/// Collects layers, low to high, and loads them into a [`Document`].
///
/// A higher layer wins: file, profile file, environment, `--set`. Maps merge deep; lists and
/// scalars replace, and so does `null`: `port: null` in a profile hides the `port` of the file.
///
/// # Variables
///
/// `PROCESSPYPE_SERVICES__MY_SERVICE__PORT=9000` sets `services.my_service.port`, or the
/// `services.my-service.port` that a file has: case does not count, nor does `-` for `_`. Only
/// variables with the prefix count, and of those only the ones with `__` or with the name of a
/// section; one of these that names no known section is a problem, not silence, and the others are
/// [strays](Document::stray_variables). A value that
/// begins with `[` or `{` is YAML; anything else is text that becomes what the target wants.
/// `${…}` is not resolved in variables, which are the environment already.
///
/// # Example
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Loader};
///
/// let document = Loader::new()
///     .text("app.yaml", Format::Yaml, "server: {host: localhost, port: 8080}")
///     .environment([("PROCESSPYPE_SERVER__PORT".to_owned(), "9000".to_owned())])
///     .load()?;
/// let port: u16 = document.section(&["server", "port"]).read()?;
/// assert_eq!(port, 9000);
/// # Ok::<(), processpype_config::Report>(())
/// ```
///
/// # Files
///
/// A file that was named must exist, and a profile must have a file beside at least one of the
/// files. A file that is empty, or has only comments, is an empty map. Without any file the other
/// layers still count.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::Loader;
///
/// let report = Loader::new().file("/does/not/exist.yaml").load().unwrap_err();
/// assert!(report.to_string().contains("does not exist"), "{report}");
/// let document = Loader::new().set("server.port=9000").load()?;
/// assert_eq!(document.section(&["server", "port"]).read::<u16>()?, 9000);
/// # Ok::<(), processpype_config::Report>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is read before `load`"]
pub struct Loader {
    prefix: String,
    sections: Vec<String>,
    layers: Vec<Layer>,
    pub(crate) code: Option<Node>,
    profile: Option<String>,
    variables: SortedMap<String, Variable>,
    assignments: Vec<Assignment>,
}

#[derive(Debug)]
enum Layer {
    File(PathBuf),
    Text(Arc<Source>, Format),
}

/// The value of a variable; `Debug` never shows it.
enum Variable {
    Text(String),
    NotUnicode,
}

/// The text of a `--set`; `Debug` never shows it.
struct Assignment(String);

// === impl Loader ===

impl Loader {
    /// A loader without layers, for variables with the prefix `PROCESSPYPE`.
    ///
    /// It knows the sections of Processpype; see [`sections`](Self::sections).
    pub fn new() -> Self {
        Self {
            prefix: "PROCESSPYPE".to_owned(),
            sections: SECTIONS.map(str::to_owned).to_vec(),
            layers: Vec::new(),
            code: None,
            profile: None,
            variables: SortedMap::new(),
            assignments: Vec::new(),
        }
    }

    /// Changes the prefix of the variables, given without the underscore at its end.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Loader;
    ///
    /// let variable = ("MYAPP_SERVER__PORT".to_owned(), "9000".to_owned());
    /// let document = Loader::new().prefix("MYAPP").environment([variable]).load()?;
    /// assert_eq!(document.section(&["server", "port"]).read::<u16>()?, 9000);
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Replaces the sections that variables and flags may name although no file has them.
    ///
    /// Those of a file are known without this. It matters without one, and for suggestions.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Loader;
    ///
    /// let loader = || Loader::new().sections(&["store"]);
    /// assert!(loader().set("store.path=/tmp").load().is_ok());
    /// let report = loader().set("stroe.path=/tmp").load().unwrap_err();
    /// assert_eq!(report.problems()[0].nearest_choice(), Some("store"));
    /// ```
    pub fn sections(mut self, names: &[&str]) -> Self {
        self.sections = each(names, |name| (*name).to_owned());
        self
    }

    /// Adds a file: `.yaml`, `.yml`, `.toml` or `.json`. A missing one is a problem.
    ///
    /// Several files are layers in the order of the calls, each followed by its own profile file.
    /// It is read by [`load`](Self::load), not here.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.layers.push(Layer::File(path.into()));
        self
    }

    /// Adds a file that is in memory already. Profiles do not look for a neighbour of it.
    ///
    /// The name stands in origins and problems, as a path would. For defaults that a program brings
    /// along (`include_str!`), and for tests.
    pub fn text(mut self, name: &str, format: Format, text: impl Into<String>) -> Self {
        let source = Source::file(name.into(), format, text.into());
        self.layers.push(Layer::Text(source, format));
        self
    }

    /// Adds the profile file beside each file: `config.prod.yaml` for `config.yaml`.
    ///
    /// For what differs between environments. The last call counts.
    pub fn profile(mut self, name: &str) -> Self {
        self.profile = Some(name.to_owned());
        self
    }

    /// Adds variables, which are also what `${VAR}` reads.
    ///
    /// Tests use this in place of [`process_environment`](Self::process_environment), and so stay
    /// independent of the machine. A name given again replaces its value.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let document = Loader::new()
    ///     .text("app.yaml", Format::Yaml, "server: {host: \"${HOST:-localhost}\"}")
    ///     .environment([("HOST".to_owned(), "example.org".to_owned())])
    ///     .load()?;
    /// assert_eq!(document.section(&["server", "host"]).read::<String>()?, "example.org");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn environment<I: IntoIterator<Item = (String, String)>>(mut self, vars: I) -> Self {
        self.variables.extend(vars.into_iter().map(|(name, text)| (name, Variable::Text(text))));
        self
    }

    /// Adds the variables of this process.
    ///
    /// One whose name is not UTF-8 is left out; one whose value is not is a problem if it means us.
    pub fn process_environment(mut self) -> Self {
        for (name, text) in std::env::vars_os() {
            if let Ok(name) = name.into_string() {
                let text = text.into_string();
                self.variables.insert(name, text.map_or(Variable::NotUnicode, Variable::Text));
            }
        }
        self
    }

    /// Adds one value from the command line, such as `services.my_service.port=9000`.
    ///
    /// Of two assignments to one path the later wins. A value that begins with `[` or `{` is YAML:
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Loader;
    ///
    /// let document = Loader::new().set("server.hosts=[a, b]").load()?;
    /// assert_eq!(document.section(&["server", "hosts"]).read::<Vec<String>>()?, ["a", "b"]);
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn set(mut self, assignment: &str) -> Self {
        self.assignments.push(Assignment(assignment.to_owned()));
        self
    }

    /// Reads and merges the layers.
    ///
    /// # Errors
    ///
    /// Every problem of every layer: files that cannot be read, syntax, duplicate keys, limits,
    /// variables and flags that name nothing. What the values are is checked later, by
    /// [`Section::read`](crate::Section::read).
    pub fn load(self) -> Result<Document, Report> {
        let mut problems = Problems::default();
        let (mut trees, vacant) = self.read_layers(&mut problems);
        let mut root = trees.drain(..).reduce(|low, high| high.over(&low)).unwrap_or_else(empty);
        let mut strays = self.overlay(&mut root, &mut problems);
        problems.finish()?;
        strays.retain(|stray| !root.refers_to(&stray.name));
        let variables = self.variables.into_iter().filter_map(|(name, value)| match value {
            Variable::Text(text) => Some((name, text)),
            Variable::NotUnicode => None,
        });
        Ok(Document::new(root, variables.collect(), strays, vacant))
    }

    /// One tree for each layer that could be read, low to high; and the files that hold nothing.
    fn read_layers(&self, problems: &mut Problems) -> (Vec<Node>, Vec<PathBuf>) {
        let mut trees: Vec<Node> = self.code.iter().cloned().collect();
        let (mut profiles_missing, mut vacant) = (Vec::new(), Vec::new());
        let mut read = |path: &Path, problems: &mut Problems| {
            let before = problems.count();
            let tree = read_file(path, problems);
            let map = tree.as_ref().and_then(Node::as_map);
            let is_vacant = map.is_none_or(|map| map.entries().is_empty());
            if is_vacant && problems.count() == before {
                vacant.push(path.to_owned());
            }
            tree
        };
        for layer in &self.layers {
            match layer {
                Layer::Text(source, format) => trees.extend(read_text(source, *format, problems)),
                Layer::File(path) => {
                    trees.extend(read(path, problems));
                    match self.profile_of(path) {
                        Some(profile) if profile.exists() => {
                            trees.extend(read(&profile, problems));
                        }
                        Some(profile) => profiles_missing.push(profile),
                        None => {}
                    }
                }
            }
        }
        self.check_profile(&profiles_missing, problems);
        (trees, vacant)
    }

    /// A profile must have a file beside at least one of the files.
    fn check_profile(&self, missing: &[PathBuf], problems: &mut Problems) {
        let Some(name) = &self.profile else { return };
        let files = self.layers.iter().filter(|layer| matches!(layer, Layer::File(_))).count();
        if missing.len() == files
            && let Some(path) = missing.first()
        {
            let message = format!("the profile `{name}` has no file");
            let help = format!("create {}, or choose another profile", path.display());
            problems.push(Problem::new(message).at(Origin::whole_file(path)).help(help));
        } else if self.layers.is_empty() {
            let message =
                format!("the profile `{name}` needs a configuration file to stand beside");
            problems.push(Problem::new(message).help("name a configuration file too"));
        }
    }

    /// `config.prod.yaml` for `config.yaml`: the profile goes before the ending, which says the
    /// notation.
    fn profile_of(&self, path: &Path) -> Option<PathBuf> {
        let name = self.profile.as_ref()?;
        let stem = path.file_stem()?.to_string_lossy();
        let extension = path.extension().map_or_else(|| "yaml".into(), |e| e.to_string_lossy());
        Some(path.with_file_name(format!("{stem}.{name}.{extension}")))
    }

    /// Lays variables and flags over the files. Returns the variables that set nothing.
    fn overlay(&self, root: &mut Node, problems: &mut Problems) -> Vec<Stray> {
        let mut known = self.sections.clone();
        if let Some(map) = root.as_map() {
            let keys = map.entries().iter().map(|entry| entry.key().to_owned());
            known.extend(keys.filter(|key| !self.sections.contains(key)));
        }
        let (mut top, mut strays) = (None, Vec::new());
        let overlay = overlay::Overlay { prefix: &self.prefix, known: &known, files: root };
        for (name, value) in self.variables.iter() {
            let text = match value {
                Variable::Text(text) => Some(text.as_str()),
                Variable::NotUnicode => None,
            };
            overlay.variable(&mut top, name, text, problems);
            strays.extend(overlay.stray(name, text));
        }
        for Assignment(assignment) in &self.assignments {
            overlay.assignment(&mut top, assignment, problems);
        }
        if let Some(top) = top {
            *root = top.over(root);
        }
        strays
    }
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Variable ===

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("···")
    }
}

// === impl Assignment ===

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.split('=').next().unwrap_or_default())
    }
}

/// The tree of no layer at all.
fn empty() -> Node {
    Node::map(Vec::new(), At::whole(&Source::word(Origin::Default)))
}

/// Reads a file; what went wrong is among the problems, and then there is no tree.
fn read_file(path: &Path, problems: &mut Problems) -> Option<Node> {
    let result = file::format_of(path).and_then(|format| Ok((format, file::text(path)?)));
    match result {
        Ok((format, text)) => {
            let source = Source::file(path.to_owned(), format, text);
            read_text(&source, format, problems)
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

/// Refuses what no reader should see (too large, a byte order mark), then hands over by notation. A
/// byte order mark is refused because it shifts every column, and editors show it nowhere.
fn read_text(source: &Arc<Source>, format: Format, problems: &mut Problems) -> Option<Node> {
    if source.text().len() > MAX_FILE_BYTES {
        let problem = Problem::new(format!("larger than {MAX_FILE_BYTES} bytes"));
        let help = "check that this is the configuration file that you meant";
        problems.push(problem.at(At::whole(source).origin()).help(help));
        return None;
    }
    if source.text().starts_with('\u{feff}') {
        let problem = Problem::new("the file begins with a byte order mark")
            .at(At::whole(source).origin())
            .help("save it as UTF-8 without a byte order mark");
        problems.push(problem);
        return None;
    }
    let node = match format {
        Format::Yaml => yaml::read(source, source.text(), problems),
        Format::Toml => toml_tree::read(source, problems),
        Format::Json => json::read(source, problems),
    }?;
    top_level(node, problems)
}

/// The top of a file is a map; an empty file is an empty map.
fn top_level(node: Node, problems: &mut Problems) -> Option<Node> {
    if node.as_map().is_some() {
        return Some(node);
    }
    if node.is_null() {
        return Some(Node::map(Vec::new(), node.at));
    }
    let problem = node
        .at
        .problem("the file must hold a map of sections", false)
        .help("begin with a section, such as `services:`");
    problems.push(problem);
    None
}
