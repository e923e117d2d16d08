//! Groups as they are: who is restarted with whom, how each member is, and who is held.
//!
//! # Invariants
//!
//! 1. Groups come from the layout, members from the statuses of one moment.
//! 2. They are rendered once per version.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use processpype_api::{GroupList, GroupMember, GroupStatus};
use processpype_core::{ServiceName, each};
use processpype_runtime::{Layout, NamedGroup, Status};

use crate::probes;
use crate::reply::Rendered;
use crate::server::Control;

/// Answers `GET /groups`.
pub(crate) fn respond(control: &Control, headers: &HeaderMap) -> Response {
    let render = || {
        let (statuses, layout) = (control.manager.statuses(), control.manager.layout());
        let groups = each(&layout.groups, |group| told(group, &layout, &statuses));
        Rendered::json(&GroupList { groups })
    };
    control.groups.get(|| control.manager.version(), render).respond(headers)
}

fn told(group: &NamedGroup, layout: &Layout, statuses: &[Arc<Status>]) -> GroupStatus {
    let names: Vec<&ServiceName> = each(&group.members, |&id| layout.name(id));
    // One that has left between the two snapshots is told no more.
    let members = names
        .iter()
        .filter_map(|name| Some(member(probes::named(statuses, name)?, &names, statuses)));
    GroupStatus {
        name: group.name.to_string(),
        strategy: group.strategy.as_str().to_owned(),
        max_restarts: group.limit.max_restarts(),
        within_ms: u64::try_from(group.limit.within().as_millis()).unwrap_or(u64::MAX),
        origin: group.origin.to_string(),
        members: members.collect(),
    }
}

fn member(status: &Status, mates: &[&ServiceName], statuses: &[Arc<Status>]) -> GroupMember {
    let held_by = status.waiting_on.iter().filter(|name| mates.contains(name));
    GroupMember {
        service: status.name.to_string(),
        state: status.state.into(),
        ready: status.ready,
        desired: status.desired.into(),
        generation: status.generation.0,
        exhausted: status.restart.as_ref().is_some_and(|restart| restart.exhausted),
        held_by: held_by.map(ServiceName::to_string).collect(),
        reason: probes::is_missing(status).then(|| probes::reason(status, statuses)),
    }
}
