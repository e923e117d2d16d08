//! Groups of an application: as they are declared, and as they are once they are checked.
//!
//! # Invariants
//!
//! 1. Every problem of every group is found in one pass, each with who declared the group.
//! 2. A rest-for-one group adds edges, each member needing the one before it, so that its order is
//!    the order of starts and stops as well. They are edges like others: `plan` shows them, and a
//!    cycle through them is refused with their origin.
//! 3. Members that are disabled stay in the list and are skipped by those edges.

use std::sync::Arc;

use processpype_core::{
    Group, Groups, MAX_MEMBERS, RestartLimit, ServiceId, ServiceName, Strategy,
};

use crate::blueprint::{EdgeOrigin, Spec};
use crate::names::Names;
use crate::problem::{Missing, PlanCode, PlanProblem};

/// Services that are restarted together, as code or the file says.
///
/// The words are those of OTP's supervisors; see [`Strategy`].
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Its name; as for services, but in a space of their own.
    pub name: String,
    /// Who is restarted with whom.
    pub strategy: Strategy,
    /// The names of the members, in order.
    pub members: Vec<String>,
    /// How many restarts of all members together are allowed, and within what time.
    pub limit: RestartLimit,
    /// Who declared it.
    pub origin: EdgeOrigin,
}

/// A group of a checked application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedGroup {
    /// Its name.
    pub name: Arc<str>,
    /// Who is restarted with whom.
    pub strategy: Strategy,
    /// The members, in order.
    pub members: Vec<ServiceId>,
    /// How many restarts of all members together are allowed, and within what time.
    pub limit: RestartLimit,
    /// Who declared it.
    pub origin: EdgeOrigin,
}

/// Returns the groups of which everything is right; the rest are problems.
pub(crate) fn check(
    specs: &[GroupSpec],
    names: &Names,
    problems: &mut Vec<PlanProblem>,
) -> Vec<NamedGroup> {
    let mut groups: Vec<NamedGroup> = Vec::new();
    for spec in specs {
        problems.extend(check_name(spec, &groups));
        let mut members = Vec::new();
        for name in &spec.members {
            match names.get(name) {
                Some(member) if members.contains(&member) => problems.push(twice(spec, name)),
                Some(member) => {
                    let other = groups.iter().find(|group| group.members.contains(&member));
                    problems.extend(other.map(|other| in_two(spec, name, other)));
                    members.push(member);
                }
                None => problems.push(unknown(spec, name, names)),
            }
        }
        if spec.members.is_empty() || spec.members.len() > MAX_MEMBERS {
            problems.push(size(spec));
        }
        let (name, origin) = (Arc::from(spec.name.as_str()), spec.origin.clone());
        let GroupSpec { strategy, limit, .. } = *spec;
        groups.push(NamedGroup { name, strategy, members, limit, origin });
    }
    groups
}

/// Returns the edges that the order of a group asks for: dependent and provider.
pub(crate) fn edges(group: &NamedGroup, specs: &[Spec]) -> Vec<(ServiceId, ServiceId)> {
    if group.strategy != Strategy::RestForOne {
        return Vec::new();
    }
    let members = group.members.iter().copied();
    let enabled: Vec<ServiceId> =
        members.filter(|member| specs[member.index()].options.enabled).collect();
    enabled.windows(2).map(|pair| (pair[1], pair[0])).collect()
}

/// Makes what the machine knows of groups. They are right by now.
pub(crate) fn for_machine(groups: &[NamedGroup], services: usize) -> Groups {
    let plain = groups
        .iter()
        .map(|group| Group { strategy: group.strategy, members: group.members.clone() });
    Groups::new(services as u32, plain).expect("the groups of a blueprint were checked")
}

fn check_name(spec: &GroupSpec, before: &[NamedGroup]) -> Option<PlanProblem> {
    if let Err(error) = ServiceName::new(&spec.name) {
        let message = format!("{} has no name that can be used: {error}", place(spec));
        return Some(PlanProblem::new(PlanCode::Group, message));
    }
    let is_taken = before.iter().any(|group| *group.name == *spec.name);
    is_taken.then(|| {
        let message = format!("two groups are named `{}` ({})", spec.name, spec.origin);
        PlanProblem::new(PlanCode::Group, message).help("give one of them another name")
    })
}

fn unknown(spec: &GroupSpec, name: &str, names: &Names) -> PlanProblem {
    let message = format!("{} has the member `{name}`, but there is no such service", place(spec));
    let help = match processpype_config::nearest(name, names.sorted()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "members are names of services".to_owned(),
    };
    let problem = PlanProblem::new(PlanCode::UnknownService, message).help(help);
    problem.of_missing(Missing::Name(name.to_owned()))
}

fn twice(spec: &GroupSpec, name: &str) -> PlanProblem {
    let message = format!("{} has the member `{name}` twice", place(spec));
    PlanProblem::new(PlanCode::Group, message).help("remove one of them")
}

fn in_two(spec: &GroupSpec, name: &str, other: &NamedGroup) -> PlanProblem {
    let message = format!(
        "{} has the member `{name}`, which is in the group `{}` already ({})",
        place(spec),
        other.name,
        other.origin
    );
    let help = "a service is a member of one group; join the groups, or let `edges: {…: restart}` \
                restart one service with another";
    PlanProblem::new(PlanCode::Group, message).help(help)
}

fn size(spec: &GroupSpec) -> PlanProblem {
    let count = spec.members.len();
    let message =
        format!("{} has {count} members; from 1 to {MAX_MEMBERS} are possible", place(spec));
    PlanProblem::new(PlanCode::Group, message).help("list its members: `members: [one, other]`")
}

fn place(spec: &GroupSpec) -> String {
    format!("the group `{}` ({})", spec.name, spec.origin)
}
