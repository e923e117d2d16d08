//! What code says the application is: below the section `app` of the file.

use processpype_config::{Layer, Report};

use crate::application::Application;

/// Title and version, as code has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) title: Option<String>,
    pub(crate) version: Option<String>,
}

// === impl Application ===

impl Application {
    /// Gives the application a title, for the API and its page. Default: `Processpype`.
    ///
    /// In the file it is `app.title`, which has the last word.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.sources.about.title = Some(title.into());
        self
    }

    /// Says which version of the program this is; `--version` on the command line tells it.
    ///
    /// The API tells it too, unless the file says otherwise in `app.version`.
    ///
    /// ```
    /// use processpype::{Application, testing};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().title("shop").version(env!("CARGO_PKG_VERSION"));
    /// let app = testing::start(app).await?;
    /// let root = app.get("/").await.json();
    /// assert_eq!(root["title"], "shop");
    /// assert_eq!(root["version"], env!("CARGO_PKG_VERSION"));
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.sources.about.version = Some(version.into());
        self
    }
}

// === impl About ===

impl About {
    /// Returns what lies below the file.
    pub(crate) fn layer(&self) -> Result<Layer, Report> {
        let parts = [("title", &self.title), ("version", &self.version)];
        let said = parts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        said.map(|(key, text)| {
            Layer::single(&["app", key], &serde_json::Value::from(text.as_str()).to_string())
        })
        .try_fold(Layer::default(), |all, one| Ok(all.patched(&one?)))
    }
}

#[cfg(test)]
mod tests {
    use processpype_config::Format;

    use super::*;

    /// Title and version that hold, and where the title comes from.
    #[track_caller]
    fn check(app: Application, yaml: &str, expected: [&str; 3]) {
        let app = app.config_text("app.yaml", Format::Yaml, yaml).environment([]);
        let setup = app.setup().expect("it is valid");
        let title = setup.document.section(&["app", "title"]);
        let origin = title.origin().map_or("default".to_owned(), |origin| origin.to_string());
        let held = &setup.settings.app;
        assert_eq!([held.title.as_str(), held.version.as_str(), origin.as_str()], expected);
    }

    #[test]
    fn the_file_lies_over_the_code_key_by_key() {
        let code = || Application::new().title("${HOME} & \"co\"").version("1.2.3");
        check(Application::new(), "{}", ["Processpype", "0.1.0", "default"]);
        check(code(), "{}", ["${HOME} & \"co\"", "1.2.3", "code"]);
        check(code(), "app: {title: shop}", ["shop", "1.2.3", "app.yaml:1:14"]);
        check(code().title("late"), "app: {version: 2.0.0}", ["late", "2.0.0", "code"]);
    }
}
