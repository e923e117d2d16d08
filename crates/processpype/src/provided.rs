//! Values that are no services, given to the application.

use std::sync::Arc;

use crate::application::Application;

impl Application {
    /// Gives a value to every constructor that asks for it as [`Shared<T>`](crate::Shared).
    ///
    /// For what has no life of its own: a connection pool, a clock, feature flags. What must be
    /// started, watched or stopped is a service, taken as [`Dep`](crate::Dep). There is one value
    /// of each type; two of one type need a type of their own around them.
    ///
    /// ```
    /// use processpype::{Application, Service, Shared};
    ///
    /// struct Motto(&'static str);
    ///
    /// struct Greeter { motto: Shared<Motto> }
    /// impl Service for Greeter {}
    ///
    /// let greeter = |motto: Shared<Motto>| Greeter { motto };
    /// assert!(Application::new().service(greeter).check().is_err(), "nobody provides a motto");
    /// assert!(Application::new().service(greeter).provide(Motto("hello")).check().is_ok());
    /// ```
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let is_first = self.shared.insert(value);
        self.sole::<T>(is_first)
    }

    /// Gives a value that is shared already, or one that stands behind a trait: constructors ask
    /// for it as [`Shared<T>`](crate::Shared), or as `Shared<dyn Trait>` and do not know whose it
    /// is.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use processpype::{Application, Service, Shared};
    ///
    /// trait Clock: Send + Sync { fn hour(&self) -> u32; }
    ///
    /// struct Noon;
    /// impl Clock for Noon { fn hour(&self) -> u32 { 12 } }
    ///
    /// struct Bell { clock: Shared<dyn Clock> }
    /// impl Service for Bell {}
    /// # fn strikes(bell: &Bell) -> u32 { bell.clock.hour() }
    ///
    /// let app = Application::new()
    ///     .service(|clock: Shared<dyn Clock>| Bell { clock })
    ///     .provide_arc::<dyn Clock>(Arc::new(Noon));
    /// assert!(app.check().is_ok());
    /// ```
    pub fn provide_arc<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        let is_first = self.shared.insert_arc(value);
        self.sole::<T>(is_first)
    }

    fn sole<T: ?Sized>(mut self, is_first: bool) -> Self {
        if !is_first {
            let name = std::any::type_name::<T>();
            self.refuse(format!(
                "two shared values are of type `{name}`: put one of them into a type of your own"
            ));
        }
        self
    }
}
