//! A service in the place of another one.

use processpype_config::nearest;
use processpype_runtime::{Constructor, Kind, PlanCode, PlanProblem, Signature};

use crate::application::{Application, Declared};

/// How many names a problem lists.
const NAMES_SHOWN: usize = 12;

impl Application {
    /// Registers a service in the place of the one of this name, for a test of the application that
    /// `main` runs: a fake where the real one needs a disk, a network or another company.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use processpype::{Application, Dep, Service, testing};
    ///
    /// trait Mail: Send + Sync { fn sent(&self) -> u32; }
    ///
    /// struct Smtp;
    /// impl Service for Smtp {}
    /// impl Mail for Smtp { fn sent(&self) -> u32 { panic!("there is no server here") } }
    ///
    /// struct Shop { mail: Dep<dyn Mail> }
    /// impl Service for Shop {}
    ///
    /// // What `main` runs.
    /// fn application() -> Application {
    ///     Application::new()
    ///         .service(|| Smtp).named("mail")
    ///         .provides(|smtp: Arc<Smtp>| -> Arc<dyn Mail> { smtp })
    ///         .service(|mail: Dep<dyn Mail>| Shop { mail })
    /// }
    ///
    /// struct Fake;
    /// impl Service for Fake {}
    /// impl Mail for Fake { fn sent(&self) -> u32 { 3 } }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = application()
    ///     .replace("mail", || Fake)
    ///     .provides(|fake: Arc<Fake>| -> Arc<dyn Mail> { fake });
    /// let app = testing::start(app).await?;
    /// assert_eq!(app.manager().get::<Shop>("shop")?.mail.get()?.sent(), 3);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing of what was said about the old one holds for the new one; what is said next is about
    /// it, as after [`service`](Self::service). What others say by name, such as
    /// [`depends_on`](Self::depends_on), finds the new one. Its section in the file is read by its
    /// own constructor: one that is to go by the file of the old one takes the same `Config`. A
    /// [`Probe`](crate::testing::Probe) fits as well, and fails when its script says so. An
    /// instance of a [`kind`](Self::kind) needs none of this: the file names another kind.
    ///
    /// That no service of this name was registered before is told with all other problems.
    pub fn replace<M: 'static, C>(mut self, name: &str, constructor: C) -> Self
    where
        C: Signature<M> + Constructor<M>,
    {
        let is_old = |declared: &Declared| name_of(declared).as_deref() == Some(name);
        match self.declared.iter().position(is_old) {
            Some(old) => drop(self.declared.remove(old)),
            None => self.problems.push(nobody(name, &self.declared)),
        }
        self.declare(Some(name.to_owned()), Kind::of(constructor))
    }
}

/// The name that a service will have, if it has one.
fn name_of(declared: &Declared) -> Option<String> {
    let own = declared.name.clone();
    own.or_else(|| declared.kind.default_name().ok().map(|name| name.as_str().to_owned()))
}

fn nobody(name: &str, declared: &[Declared]) -> PlanProblem {
    let message = format!("`.replace(\"{name}\", …)` stands where no service is named `{name}`");
    let names: Vec<String> = declared.iter().filter_map(name_of).take(NAMES_SHOWN).collect();
    let near = nearest(name, names.iter().map(String::as_str));
    let help = match (near, names.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "register the service before it".to_owned(),
        (None, false) => format!("registered before it are `{}`", names.join("`, `")),
    };
    PlanProblem::new(PlanCode::Declaration, message).help(help)
}
