//! What to write where nobody provides what a constructor asks for.
//!
//! # What was meant
//!
//! | asked for | there is | the reason |
//! |---|---|---|
//! | `Dep<T>` | a shared `T` | a value that is no service is no dependency |
//! | `Dep<Arc<T>>` | | a handle shares what it leads to by itself |
//! | `Shared<T>` | a service `T` | a service is no value: it comes and goes |
//! | `Shared<T>` | a shared `Arc<T>` | what is shared already was given as a value |
//! | `Shared<Arc<T>>` | | as with `Dep` |
//!
//! Otherwise it was forgotten, and the line that provides it is told.

use crate::argument::Need;
use crate::blueprint::{Assembly, Spec, quoted, short};
use crate::problem::{Missing, PlanCode, PlanProblem};
use crate::shared::SharedValues;

/// Pointers that nobody has to ask for.
const POINTERS: [&str; 2] = ["alloc::sync::Arc<", "alloc::boxed::Box<"];

/// A dependency that no service is.
pub(super) fn service(spec: &Spec, need: &Need, assembly: &Assembly) -> PlanProblem {
    let (needs, of) = (short(need.type_name), quoted(spec.kind.type_name));
    let message =
        format!("`{}` needs a `{needs}` (argument of {of}), but no service is one", spec.name);
    let mut kinds = assembly.kinds.iter();
    let help = if let Some((kind, _)) = kinds.find(|(_, kind)| kind.is_one(need.type_id)) {
        format!(
            "the kind `{kind}` makes them: write one into the file, services: {{ NAME: {{ kind: \
             {kind} }} }}, or take `Option<Dep<{needs}>>`"
        )
    } else if assembly.shared.contains(need.type_id) {
        format!(
            "it was given with `.provide`, as a value that is no service: take `Shared<{needs}>`"
        )
    } else if let Some(inner) = pointed_at(need.type_name) {
        format!("take `Dep<{}>`: a handle shares what it leads to by itself", short(inner))
    } else if need.type_name.starts_with("dyn ") {
        format!("give a service that is one `.provides(|it: Arc<Type>| -> Arc<{needs}> {{ it }})`")
    } else {
        format!("register one with `.service({needs}::new)`, or take `Option<Dep<{needs}>>`")
    };
    let problem = PlanProblem::new(PlanCode::MissingProvider, message).help(help);
    problem.of_missing(Missing::Type(need.type_id))
}

/// A value that nobody has given. `is_service` says that a service is of this type.
pub(super) fn shared(
    spec: &Spec,
    type_name: &str,
    is_service: bool,
    given: &SharedValues,
) -> PlanProblem {
    let (needs, of) = (short(type_name), quoted(spec.kind.type_name));
    let message = format!(
        "`{}` needs a shared `{needs}` (argument of {of}), but nobody provides one",
        spec.name
    );
    let points_here = |given: &str| pointed_at(given) == Some(type_name);
    let help = if is_service {
        format!("it is a service: take `Dep<{needs}>`")
    } else if let Some(given) = given.type_names().find(|given| points_here(given)) {
        let given = short(given);
        format!("a `{given}` was given with `.provide`: give it with `.provide_arc`")
    } else if let Some(inner) = pointed_at(type_name) {
        let inner = short(inner);
        format!("take `Shared<{inner}>`, which shares it by itself, of `.provide(value)`")
    } else if type_name.starts_with("dyn ") {
        format!("add `.provide_arc::<{needs}>(Arc::new(value))` to the application")
    } else {
        format!("add `.provide(value)` with a `{needs}` to the application")
    };
    PlanProblem::new(PlanCode::MissingShared, message).help(help)
}

/// What a pointer leads to, by the names of types.
fn pointed_at(type_name: &str) -> Option<&str> {
    let inner = POINTERS.iter().find_map(|pointer| type_name.strip_prefix(pointer))?;
    inner.strip_suffix('>')
}
